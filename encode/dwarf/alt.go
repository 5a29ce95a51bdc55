package dwarf

func (f *File) openAlt() error { return nil }
func (f *File) noAlt() string  { return "no supplementary file" }
