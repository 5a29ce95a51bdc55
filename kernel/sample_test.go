package kernel_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/kernel"
)

func TestSamples(t *testing.T) {
	for dump, want := range map[string][]kernel.Sample{
		"vars-7.2-amd64": {
			{Name: "tasks", Readable: 45}, {Name: "modules", Readable: 7}, {Name: "mounted file systems", Readable: 17},
			{Name: "slab caches", Readable: 124}, {Name: "other kernel objects", Readable: 44},
		},
		"debian-6.12-amd64": {
			{Name: "tasks", Readable: 67}, {Name: "modules", Readable: 13}, {Name: "mounted file systems", Readable: 24},
			{Name: "slab caches", Readable: 215}, {Name: "other kernel objects", Readable: 64},
		},
	} {
		if diff := cmp.Diff(want, openDump(t, dump).Samples(t.Context())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", dump, diff)
		}
	}
}

func TestTime(t *testing.T) {
	for dump, want := range map[string]string{
		"vars-7.2-amd64":    "2026-11-23T03:33:07Z",
		"debian-6.12-amd64": "2026-11-22T21:50:18Z",
	} {
		got, ok := openDump(t, dump).Time()
		if text := got.UTC().Format(time.RFC3339); !ok || text != want {
			t.Errorf("%s: got %s, %v, want %s", dump, text, ok, want)
		}
	}
}
