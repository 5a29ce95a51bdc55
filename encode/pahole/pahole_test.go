package pahole

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/encode"
)

// describe writes what a command line asks for as one line: features that are
// on, and everything else that is not zero.
func describe(c *Command) string {
	if c.Print != "" {
		return "print " + c.Print
	}
	o := &c.Batch.Encode
	on := map[string]bool{
		"float": o.Float, "enum64": o.Enum64, "decl_tag": o.DeclTag, "type_tag": o.TypeTag,
		"consistent_func": o.ConsistentFunc, "decl_tag_kfuncs": o.DeclTagKfuncs, "attributes": o.Attributes,
		"layout": o.Layout, "encode_force": o.EncodeForce, "true_signature": o.TrueSignature,
		"distilled_base": o.DistilledBase,
	}
	maps.DeleteFunc(on, func(_ string, v bool) bool { return !v })
	words := slices.Sorted(maps.Keys(on))
	if o.Vars != encode.VarsOff {
		words = append(words, [...]string{"", "vars=percpu", "vars=builtin", "vars=split"}[o.Vars])
	}
	if o.VarsExtra {
		words = append(words, "extra")
	}
	if o.Jobs != 0 {
		words = append(words, fmt.Sprintf("jobs=%d", o.Jobs))
	}
	for _, l := range o.LangExclude {
		words = append(words, fmt.Sprintf("-lang=%#x", l))
	}
	for _, w := range [][2]string{{"base=", c.Batch.BaseFile}, {"out=", c.Batch.Output}, {"kabi=", o.KABIPrefix}} {
		if w[1] != "" {
			words = append(words, w[0]+w[1])
		}
	}
	words = append(words, c.Files...)
	for _, note := range c.Notes {
		words = append(words, "("+note+")")
	}
	return strings.Join(words, " ")
}

const (
	standard = "consistent_func decl_tag decl_tag_kfuncs encode_force enum64 float type_tag vars=percpu"
	old      = "decl_tag enum64 type_tag vars=percpu" // without --btf_features
)

func TestParse(t *testing.T) {
	for _, test := range []struct{ name, args, want string }{
		// What kernel builds say.
		{"5.15, pahole 1.21", "-J --btf_gen_floats .tmp_vmlinux.btf", "decl_tag enum64 float type_tag vars=percpu .tmp_vmlinux.btf"},
		{"5.15, pahole 1.19", "-J --skip_encoding_btf_vars .tmp_vmlinux.btf", "decl_tag enum64 type_tag .tmp_vmlinux.btf"},
		{"5.15.y", "-J --btf_gen_floats -j --skip_encoding_btf_enum64 vmlinux", "decl_tag float type_tag vars=percpu vmlinux"},
		{"6.1", "-J --btf_gen_floats -j --lang_exclude=rust --skip_encoding_btf_inconsistent_proto --btf_gen_optimized .tmp_vmlinux.btf",
			"consistent_func decl_tag enum64 float type_tag vars=percpu -lang=0x1c .tmp_vmlinux.btf"},
		{"6.1 module", "-J --btf_gen_floats -j --btf_base ./vmlinux fs/xfs/xfs.ko", "decl_tag enum64 float type_tag vars=percpu base=./vmlinux fs/xfs/xfs.ko"},
		{"6.8", "-J -j --btf_features=encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func --lang_exclude=rust .tmp_vmlinux.btf",
			"consistent_func decl_tag encode_force enum64 float type_tag vars=percpu -lang=0x1c .tmp_vmlinux.btf"},
		{"6.12 module out of tree", "-J -j --btf_features=encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func,decl_tag_kfuncs " +
			"--lang_exclude=rust --btf_features=distilled_base --btf_base /lib/modules/vmlinux a.ko",
			"consistent_func decl_tag decl_tag_kfuncs distilled_base encode_force enum64 float type_tag vars=percpu -lang=0x1c base=/lib/modules/vmlinux a.ko"},
		{"7.2", "-J -j16 --btf_features=encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func,decl_tag_kfuncs " +
			"--btf_features=attributes --btf_features=layout -j16 --lang_exclude=rust --btf_encode_detached=.tmp_vmlinux1.BTF.1 .tmp_vmlinux1",
			"attributes consistent_func decl_tag decl_tag_kfuncs encode_force enum64 float layout type_tag vars=percpu jobs=16 -lang=0x1c out=.tmp_vmlinux1.BTF.1 .tmp_vmlinux1"},
		{"7.2 with a timestamp", "-J --btf_features=encode_force --btf_features=+reproducible_build --btf_encode_detached=o a", standard + " out=o a"},

		// --btf_features.
		{"none", "-J a", old + " a"},
		{"empty list", "-J --btf_features= a", "a"},
		{"default", "-J --btf_features=default a", standard + " a"},
		{"default and more", "-J --btf_features=default,global_var a", strings.Replace(standard, "percpu", "builtin", 1) + " a"},
		{"plus", "-J --btf_features=+layout a", strings.Replace(standard, "float", "float layout", 1) + " a"},
		{"they accumulate", "-J --btf_features=float --btf_features=enum64 a", "enum64 float a"},
		{"one", "-J --btf_features=global_var a", "vars=builtin a"},
		{"all", "-J --btf_features=all a", "attributes consistent_func decl_tag decl_tag_kfuncs encode_force enum64 float layout true_signature type_tag vars=builtin extra a"},
		{"and those with a second name", "-J --btf_features=global_var --btf_features=extra_var a", "vars=builtin extra a"},
		{"variables apart", "-J --btf_features=default,global_var --btf_features=split_var --btf_base=b a", strings.Replace(standard, "percpu", "split", 1) + " base=b a"},
		{"unknown", "-J --btf_features=float,nosuch,sort a", "float a (ignoring unknown BTF features: nosuch, sort)"},
		{"of 1.32", "-J --btf_features=float,force_cu_merging a", "float a"},
		{"no effect", "-J --btf_features=optimized_func,reproducible_build a", "a"},
		{"strict", "-J --btf_features_strict=float a", "float a"},
		{"strict and unknown", "-J --btf_features_strict=float,nosuch a", `error BTF feature "nosuch" is not supported; supported are ` + supportedFeatures()},
		{"list, then single options", "-J --btf_features=default --skip_encoding_btf_vars a", strings.TrimSuffix(standard, " vars=percpu") + " a"},
		{"distilled base in a raw file", "--btf_features=distilled_base --btf_encode_detached=o a", "out=o a"},

		// The other options.
		{"print version", "--version", "print v1.31"},
		{"print number", "--numeric_version", "print 131"},
		{"print features", "--supported_btf_features", "print " + supportedFeatures()},
		{"version wins", "-J --version", "print v1.31"},
		{"detached implies -J", "--btf_encode_detached o a", old + " out=o a"},
		{"options after files", "a -J b", old + " a b"},
		{"end of options", "-J -- -a --b", old + " -a --b"},
		{"a dash", "-J -", old + " -"},
		{"jobs", "-J -j a", old + " a"},
		{"jobs joined", "-J -j4 a", old + " jobs=4 a"},
		{"jobs long", "-J --jobs=3 a", old + " jobs=3 a"},
		{"jobs long without", "-J --jobs a", old + " a"},
		{"letters together", "-VJj2 a", old + " jobs=2 a"},
		{"format", "-J -F dwarf -Fbtf a", old + " a"},
		{"accepted for nothing", "-J --hashbits=8 --ptr_table_stats --reproducible_build --format_path dwarf a", old + " a"},
		{"languages", "-J --lang_exclude=rust,c++14 --lang_exclude ASM a", old + " -lang=0x1c -lang=0x21 -lang=0x8001 a"},
		{"kABI", "-J --kabi_prefix=__UNIQUE_ID_rh_kabi_hide a", old + " kabi=__UNIQUE_ID_rh_kabi_hide a"},
		{"variables", "-J --kdbg_vars=builtin,extra a", strings.Replace(old, "percpu", "builtin", 1) + " extra a"},
		{"no variables", "-J --kdbg_vars off a", strings.TrimSuffix(old, " vars=percpu") + " a"},

		// Abbreviations.
		{"abbreviated", "--btf_encode_d=o --skip_encoding_btf_v --num a", "print 131"},
		{"shortest", "-J --skip_encoding_btf_v --btf_b b --kab k a", "decl_tag enum64 type_tag base=b kabi=k a"},
		{"exact", "--btf_encode --btf_features=float a", "float a"},
		{"ambiguous", "--btf_e a", "usage option --btf_e is ambiguous: --btf_encode, --btf_encode_detached, --btf_encode_force, --btf_encode_verbose"},
		{"ambiguous with a value", "--btf_feat=default a", "usage option --btf_feat is ambiguous: --btf_features, --btf_features_strict"},
		{"ambiguous with an option that prints", "--s a", "usage option --s is ambiguous: --seek_bytes, --separator, --show_decl_info, " +
			"--show_first_biggest_size_base_type_member, --show_only_data_members, --show_private_classes, --show_reorg_steps, --size_bytes, --sizes, " +
			"--skip, --skip_emitting_atomic_typedefs, --skip_encoding_btf_decl_tag, --skip_encoding_btf_enum64, --skip_encoding_btf_inconsistent_proto, " +
			"--skip_encoding_btf_type_tag, --skip_encoding_btf_vars, --skip_missing, --sort, --structs, --supported_btf_features, " +
			"--suppress_aligned_attribute, --suppress_force_paddings, --suppress_packed"},

		// Mistakes.
		{"no file", "-J", "usage no file to encode is named"},
		{"nothing to do", "a", "usage kdbg's pahole encodes BTF, with -J, and prints no types: see kdbg btf dump"},
		{"variables apart from nothing", "-J --btf_features=split_var a", "usage the BTF feature split_var needs a --btf_base to be split on"},
		{"two files into one", "--btf_encode_detached=o a b", "usage --btf_encode_detached is for one file"},
		{"unknown option", "-J --nosuch a", "usage option --nosuch is not known"},
		{"unknown letter", "-J -C list_head a", "usage option -C is not supported: kdbg's pahole encodes BTF and does nothing else"},
		{"option that prints", "--class_name=list_head a", "usage option --class_name is not supported: kdbg's pahole encodes BTF and does nothing else"},
		{"no value", "-J a --btf_base", "usage option --btf_base needs a value"},
		{"no value of a letter", "-J a -F", "usage option -F needs a value"},
		{"value", "-J --btf_encode=x a", "usage option --btf_encode has no value"},
		{"jobs not a number", "-J -jx a", `usage "x" is no number of threads`},
		{"language", "-J --lang_exclude=klingon a", `usage language "klingon" is not known`},
		{"variables not known", "-J --kdbg_vars=many a", `usage variables are off, percpu, builtin or split, not "many"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := Parse(strings.Fields(test.args), func(string) string { return "" })
			var usage *UsageError
			var feature *FeatureError
			got := ""
			switch {
			case errors.As(err, &usage):
				got = "usage " + err.Error()
			case errors.As(err, &feature):
				got = "error " + err.Error()
			case err != nil:
				t.Fatalf("%T %v", err, err)
			default:
				got = describe(c)
			}
			if got != test.want {
				t.Errorf("pahole %s\ngot  %s\nwant %s", test.args, got, test.want)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	env := map[string]string{"PAHOLE_LANG_EXCLUDE": "rust", "KDBG_BTF_VARS": "split"}
	for _, test := range []struct{ args, want string }{
		{"-J a", "decl_tag enum64 type_tag vars=split -lang=0x1c a"},
		{"-J --lang_exclude=c11 a", "decl_tag enum64 type_tag vars=split -lang=0x1d a"},
		{"-J --kdbg_vars=off a", "decl_tag enum64 type_tag -lang=0x1c a"},
	} {
		c, err := Parse(strings.Fields(test.args), func(name string) string { return env[name] })
		if err != nil {
			t.Fatal(err)
		}
		if got := describe(c); got != test.want {
			t.Errorf("pahole %s\ngot  %s\nwant %s", test.args, got, test.want)
		}
	}
}

// TestExitStatus checks what scripts see: standard output and the exit status.
func TestExitStatus(t *testing.T) {
	for _, test := range []struct {
		args           string
		status         int
		stdout, stderr string
	}{
		{"--version", 0, "v1.31\n", ""},
		{"--nosuch", 64, "", "pahole: option --nosuch is not known\n"},
		{"-J --btf_features_strict=x a", 1, "", "pahole: BTF feature \"x\" is not supported; supported are " + supportedFeatures() + "\n"},
		{"-J /nonexistent", 1, "", "pahole: open /nonexistent: no such file or directory\n"},
		{"-J --btf_base=/nonexistent a", 1, "", "pahole: read base: open /nonexistent: no such file or directory\n"},
		{"-J --btf_features=zz /nonexistent", 1, "", "pahole: ignoring unknown BTF features: zz\npahole: open /nonexistent: no such file or directory\n"},
	} {
		var stdout, stderr strings.Builder
		status := Main(t.Context(), strings.Fields(test.args), func(string) string { return "" }, &stdout, &stderr)
		if status != test.status || stdout.String() != test.stdout || stderr.String() != test.stderr {
			t.Errorf("pahole %s: status %d, want %d\nstdout %q\nwant   %q\nstderr %q\nwant   %q",
				test.args, status, test.status, stdout.String(), test.stdout, stderr.String(), test.stderr)
		}
	}
}

// FuzzParse reads any command line. What is understood names files or something
// to print; what is not is told apart by its error.
func FuzzParse(f *testing.F) {
	for _, args := range []string{
		"-J -j16 --btf_features=default,layout --btf_encode_detached=o a", "-J --btf_base vmlinux a.ko b.ko",
		"--version", "-VJj2 --lang_exclude=rust -- -a", "--btf_features=+x --kdbg_vars split -J a",
	} {
		f.Add(args)
	}
	f.Fuzz(func(t *testing.T, line string) {
		env := func(string) string { return "" }
		c, err := Parse(strings.Fields(line), env)
		var usage *UsageError
		var feature *FeatureError
		if err != nil {
			if !errors.As(err, &usage) && !errors.As(err, &feature) {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if (c.Print == "") == (len(c.Files) == 0) {
			t.Fatalf("neither files nor anything to print: %+v", c)
		}
		if c.Batch.Output != "" && c.Batch.Encode.DistilledBase {
			t.Error("a distilled base for a raw file")
		}
	})
}
