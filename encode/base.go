package encode

import "github.com/kdbg/kdbg/encode/internal/dedup"

// Base is a BTF that others are split on. It is immutable and may be shared by
// many encodings.
type Base struct{}

func (b *Base) table() *dedup.Table { return dedup.NewTable() }
