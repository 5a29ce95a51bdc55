package btfsrc

import "github.com/cilium/ebpf/btf"

// Unnamed returns the structs or unions without a name that have a number of
// members, the first of a name, the kernel's own first. Only they are decoded of
// the tens of thousands that a kernel has.
func (t *Types) Unnamed(kind Kind, first string, members int) []btf.Type {
	blobs := t.snapshot()
	t.mu.Lock()
	defer t.mu.Unlock()
	var found []btf.Type
	for _, b := range blobs {
		for id := range b.ids() {
			rec := b.record(id)
			if rec.nameOff != 0 || members == 0 || rec.vlen() != members {
				continue
			}
			if ok, forward := kind.matches(rec); !ok || forward {
				continue
			}
			if name, ok := b.str(b.word(rec.body, 0)); ok && name == first {
				found = append(found, b.decode(id))
			}
		}
	}
	return found
}
