package btfsrc

import "testing"

// The benchmarks read the BTF of a real kernel: 4.7 MB, 107,000 types.
func benchmarkBTF(b *testing.B) *Types {
	raw, layout := dumpBTF(b, "debian-6.12-amd64.kdump")
	types, err := Load(raw, layout)
	if err != nil {
		b.Fatal(err)
	}
	return types
}

func BenchmarkLoad(b *testing.B) {
	raw, layout := dumpBTF(b, "debian-6.12-amd64.kdump")
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(raw, layout); err != nil {
			b.Fatal(err)
		}
	}
}

// What the first question costs: the name index and all that task_struct leads
// to.
func BenchmarkFirstLookup(b *testing.B) {
	raw, layout := dumpBTF(b, "debian-6.12-amd64.kdump")
	b.ReportAllocs()
	for b.Loop() {
		types, err := Load(raw, layout)
		if err != nil {
			b.Fatal(err)
		}
		if types.Lookup(KindStruct, "task_struct") == nil {
			b.Fatal("no task_struct")
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	types := benchmarkBTF(b)
	b.ReportAllocs()
	for b.Loop() {
		types.Lookup(KindStruct, "task_struct")
	}
}

func BenchmarkFind(b *testing.B) {
	task := benchmarkBTF(b).Lookup(KindStruct, "task_struct")[0]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Find(task, "rcu_users"); err != nil { // in an anonymous union
			b.Fatal(err)
		}
	}
}

func BenchmarkDefinition(b *testing.B) {
	types := benchmarkBTF(b)
	task := types.Lookup(KindStruct, "task_struct")[0]
	b.ReportAllocs()
	for b.Loop() {
		types.Definition(task, &DefinitionOptions{Offsets: true, Holes: true})
	}
}
