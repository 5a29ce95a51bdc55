package pahole

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// parser reads a command line as GNU getopt_long does: options and files in any
// order, long options by any unique prefix.
type parser struct {
	env         func(string) string
	encode      bool
	files       []string
	base        string
	detached    string
	features    features
	listed      bool // there was a --btf_features
	jobs        int
	kabiPrefix  string
	langExclude []int
	langSet     bool
	vars        string
	print       string
	notes       []string
}

// argument says whether an option has one.
type argument uint8

const (
	no argument = iota
	required
	optional
)

// option is one option.
type option struct {
	arg argument
	set func(p *parser, value string) error // nil: it is for printing types
}

func flag(set func(*parser)) option {
	return option{no, func(p *parser, _ string) error { set(p); return nil }}
}

func value(set func(*parser, string)) option {
	return option{required, func(p *parser, v string) error { set(p, v); return nil }}
}

// feature is an option from before --btf_features that turns one on or off.
func feature(name string, on bool) option {
	return flag(func(p *parser) {
		p.features = maps.Clone(p.features)
		p.features[name] = on
	})
}

var (
	ignored      = flag(func(*parser) {})
	ignoredValue = value(func(*parser, string) {})
	encodeOption = flag(func(p *parser) { p.encode = true })
	jobsOption   = option{optional, (*parser).setJobs}
	printing     = option{arg: no}
	printingFrom = option{arg: required}
)

// long are the long options. Those for printing are here because they make
// abbreviations ambiguous.
var long = map[string]option{
	"btf_encode":          encodeOption,
	"btf_encode_detached": value(func(p *parser, v string) { p.detached, p.encode = v, true }),
	"btf_base":            value(func(p *parser, v string) { p.base = v }),
	"btf_encode_force":    feature("encode_force", true),
	"btf_encode_verbose":  ignored,
	"btf_features":        {required, func(p *parser, v string) error { return p.addFeatures(v, false) }},
	"btf_features_strict": {required, func(p *parser, v string) error { return p.addFeatures(v, true) }},
	"btf_gen_floats":      feature("float", true),
	"btf_gen_optimized":   ignored,
	"btf_gen_all":         {no, func(p *parser, _ string) error { return p.addFeatures("all", false) }},
	"btf_attributes":      feature("attributes", true),
	"jobs":                jobsOption,
	"kabi_prefix":         value(func(p *parser, v string) { p.kabiPrefix = v }),
	"lang_exclude": {required, func(p *parser, v string) error {
		p.langSet = true
		return p.excludeLanguages(v)
	}},
	"skip_encoding_btf_vars":               feature("var", false),
	"skip_encoding_btf_decl_tag":           feature("decl_tag", false),
	"skip_encoding_btf_type_tag":           feature("type_tag", false),
	"skip_encoding_btf_enum64":             feature("enum64", false),
	"skip_encoding_btf_inconsistent_proto": feature("consistent_func", true),
	"skip_emitting_atomic_typedefs":        ignored,
	"reproducible_build":                   ignored,
	"hashbits":                             ignoredValue,
	"ptr_table_stats":                      ignored,
	"format_path":                          ignoredValue, // DWARF is what there is to encode from
	"verbose":                              ignored,
	"quiet":                                ignored,
	"kdbg_vars":                            value(func(p *parser, v string) { p.vars = v }),

	"version":                flag(func(p *parser) { p.print = Version }),
	"numeric_version":        flag(func(p *parser) { p.print = numericVersion }),
	"devel_version":          flag(func(p *parser) { p.print = Version }),
	"supported_btf_features": flag(func(p *parser) { p.print = supportedFeatures() }),
	"help":                   flag(func(p *parser) { p.print = help }),
	"usage":                  flag(func(p *parser) { p.print = help }),

	"anon_include": printing, "nested_anon_include": printing, "classes_as_structs": printing,
	"compile": printing, "recursive": printing, "expand_types": printing, "first_obj_only": printing,
	"fixup_silly_bitfields": printing, "flat_arrays": printing, "hex": printing, "show_decl_info": printing,
	"show_first_biggest_size_base_type_member": printing, "nr_methods": printing,
	"show_only_data_members": printing, "nr_members": printing, "class_name_len": printing,
	"packed": printing, "expand_pointers": printing, "packable": printing, "rel_offset": printing,
	"reorganize": printing, "show_private_classes": printing, "skip_missing": printing, "sort": printing,
	"structs": printing, "suppress_aligned_attribute": printing, "suppress_force_paddings": printing,
	"suppress_packed": printing, "sizes": printing, "show_reorg_steps": printing, "nr_definitions": printing,
	"unions": printing, "defined_in": printing, "with_embedded_flexible_array": printing,
	"with_flexible_array": printing, "ctf_encode": printing, "running_kernel_vmlinux": printing,
	"bit_holes": printingFrom, "contains_enumerator": printingFrom, "count": printingFrom,
	"cacheline_size": printingFrom, "class_name": printingFrom, "decl_exclude": printingFrom,
	"features": printingFrom, "find_pointers_to": printingFrom, "header_type": printingFrom,
	"holes": printingFrom, "contains": printingFrom, "lang": printingFrom, "padding_ge": printingFrom,
	"prettify": printingFrom, "range": printingFrom, "seek_bytes": printingFrom, "separator": printingFrom,
	"size_bytes": printingFrom, "skip": printingFrom, "word_size": printingFrom, "exclude": printingFrom,
	"cu_exclude": printingFrom, "prefix_filter": printingFrom, "hole_size_ge": printingFrom,
}

// short are the options of one letter that encoding knows.
var short = map[byte]option{
	'J': encodeOption,
	'j': jobsOption,
	'F': ignoredValue,
	'V': ignored,
	'q': ignored,
	'?': long["help"],
}

const help = `Usage: pahole -J [OPTION...] FILE...
Encode BTF from DWARF into FILE, as pahole does.

  -J, --btf_encode                encode into the file's .BTF section
      --btf_encode_detached=FILE  write a raw file instead
      --btf_base=FILE             what a module's BTF is split on
      --btf_features=LIST         what to encode; "default", and a + before the
                                  list, stand for the usual set; split_var is the
                                  variables that the base does not list,
                                  extra_var those that pahole does not encode
      --btf_features_strict=LIST  the same; unknown names are an error
      --supported_btf_features    print the names
  -j, --jobs[=N]                  use N threads
      --lang_exclude=LIST         leave out units in these languages
      --kabi_prefix=STRING        cut names that begin so to the prefix
      --kdbg_vars=MODE            off, percpu, builtin or split; ",extra" adds
                                  variables that pahole does not encode
      --version, --numeric_version

Long options can be shortened. What pahole prints is kdbg btf dump's to print.`

// scan reads all arguments.
func (p *parser) scan(args []string) error {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		var err error
		switch {
		case arg == "--":
			p.files = append(p.files, args...)
			return nil
		case strings.HasPrefix(arg, "--"):
			args, err = p.long(arg[2:], args)
		case len(arg) > 1 && arg[0] == '-':
			args, err = p.short(arg[1:], args)
		default:
			p.files = append(p.files, arg)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// long reads a long option, without its dashes; rest is what follows it.
func (p *parser) long(arg string, rest []string) ([]string, error) {
	name, val, given := strings.Cut(arg, "=")
	full, o, err := match(name)
	if err != nil {
		return nil, err
	}
	switch {
	case o.arg == no && given:
		return nil, &UsageError{fmt.Sprintf("option --%s has no value", full)}
	case o.arg == required && !given && len(rest) == 0:
		return nil, &UsageError{fmt.Sprintf("option --%s needs a value", full)}
	case o.arg == required && !given:
		val, rest = rest[0], rest[1:]
	}
	if o.set == nil {
		return nil, &UsageError{fmt.Sprintf("option --%s is not supported: kdbg's pahole encodes BTF and does nothing else", full)}
	}
	return rest, o.set(p, val)
}

// match finds the option that a name, or a beginning of one, stands for.
func match(name string) (string, option, error) {
	if o, ok := long[name]; ok {
		return name, o, nil
	}
	var names []string
	for full := range long {
		if strings.HasPrefix(full, name) {
			names = append(names, full)
		}
	}
	switch slices.Sort(names); len(names) {
	case 0:
		return "", option{}, &UsageError{fmt.Sprintf("option --%s is not known", name)}
	case 1:
		return names[0], long[names[0]], nil
	}
	return "", option{}, &UsageError{fmt.Sprintf("option --%s is ambiguous: --%s", name, strings.Join(names, ", --"))}
}

// short reads options of one letter, which may share a dash; the value of the
// last follows it.
func (p *parser) short(letters string, rest []string) ([]string, error) {
	for i := 0; i < len(letters); i++ {
		o, ok := short[letters[i]]
		if !ok {
			return nil, &UsageError{fmt.Sprintf("option -%c is not supported: kdbg's pahole encodes BTF and does nothing else", letters[i])}
		}
		if o.arg == no {
			if err := o.set(p, ""); err != nil {
				return nil, err
			}
			continue
		}
		val := letters[i+1:]
		if o.arg == required && val == "" {
			if len(rest) == 0 {
				return nil, &UsageError{fmt.Sprintf("option -%c needs a value", letters[i])}
			}
			val, rest = rest[0], rest[1:]
		}
		return rest, o.set(p, val)
	}
	return rest, nil
}

// setJobs reads the number of threads. None, or 0, is as many as there are
// processors: builds pass -j$(JOBS) where JOBS may be empty.
func (p *parser) setJobs(v string) error {
	if v == "" {
		p.jobs = 0
		return nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return &UsageError{fmt.Sprintf("%q is no number of threads", v)}
	}
	p.jobs = n
	return nil
}
