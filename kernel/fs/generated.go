package fs

import (
	"fmt"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// generatedNames are the functions that make up names of files which lie in no
// directory (d_dname of struct dentry_operations), and what they say.
var generatedNames = map[string]func(dentry kernel.Value) (string, error){
	"pipefs_dname":       numbered("pipe"),
	"sockfs_dname":       numbered("socket"),
	"ns_dname":           namespaceName,
	"pidfs_dname":        func(kernel.Value) (string, error) { return "anon_inode:[pidfd]", nil },
	"anon_inodefs_dname": prefixed("anon_inode:", ""),
	"simple_dname":       prefixed("/", " (deleted)"),
	"dmabuffs_dname":     prefixed("/", ":"),
}

// generatedName returns the name of a file whose file system makes it up, ""
// for others. Where such a file is mounted, it has the name of that place.
func generatedName(mnt, dentry kernel.Value) (string, error) {
	op, err := dentry.UintAt("d_op")
	if err != nil || op == 0 {
		return "", err
	}
	function, err := dentry.UintAt("d_op", "d_dname")
	if err != nil || function == 0 {
		return "", err
	}
	at, _ := dentry.Addr()
	parent, err := dentry.UintAt("d_parent")
	if err != nil {
		return "", err
	}
	if vmcore.Addr(parent) == at {
		if root, err := mnt.UintAt("mnt", "mnt_root"); err != nil || vmcore.Addr(root) == at {
			return "", err
		}
	}
	s, _, _ := dentry.Kernel().Resolve(vmcore.Addr(function))
	symbol, _, _ := strings.Cut(s.Name, ".") // clang adds .llvm and .cfi
	if name := generatedNames[symbol]; name != nil {
		return name(dentry)
	}
	fstype, err := dentry.StringAt("d_sb", "s_type", "name")
	return "[" + fstype + "]", err
}

// numbered makes names such as pipe:[4711] of the number of the inode.
func numbered(what string) func(kernel.Value) (string, error) {
	return func(dentry kernel.Value) (string, error) {
		ino, err := dentry.UintAt("d_inode", "i_ino")
		return fmt.Sprintf("%s:[%d]", what, ino), err
	}
}

// prefixed makes names of a dentry's own.
func prefixed(before, after string) func(kernel.Value) (string, error) {
	return func(dentry kernel.Value) (string, error) {
		name, err := nameOf(dentry)
		return before + name + after, err
	}
}

// namespaceName names a namespace of tasks, as in net:[4026531840].
func namespaceName(dentry kernel.Value) (string, error) {
	r := kernel.Reader{Value: dentry}
	ino, private := r.Uint("d_inode", "i_ino"), r.Pointer("d_inode", "i_private")
	if r.Err != nil {
		return "", r.Err
	}
	t, err := dentry.Kernel().Struct("ns_common")
	if err != nil {
		return "", err
	}
	kind, err := dentry.Kernel().At(private, t).StringAt("ops", "name")
	return fmt.Sprintf("%s:[%d]", kind, ino), err
}
