package pahole

import (
	"maps"
	"strings"

	"github.com/kdbg/kdbg/encode"
)

// features are the names of --btf_features that are on.
type features map[string]bool

// known are the features in the order that --supported_btf_features has them.
// standard ones are what "default" and "+" stand for. Those that set nothing
// are always so: the output is always the same, functions that the compiler
// optimised are judged by consistent_func, and units that refer to each other
// are read without merging them.
var known = []struct {
	name     string
	standard bool
	set      func(*encode.Options)
}{
	{"encode_force", true, func(o *encode.Options) { o.EncodeForce = true }},
	{"var", true, func(o *encode.Options) { o.Vars = max(o.Vars, encode.VarsPerCPU) }},
	{"float", true, func(o *encode.Options) { o.Float = true }},
	{"decl_tag", true, func(o *encode.Options) { o.DeclTag = true }},
	{"type_tag", true, func(o *encode.Options) { o.TypeTag = true }},
	{"enum64", true, func(o *encode.Options) { o.Enum64 = true }},
	{"optimized_func", true, nil},
	{"consistent_func", true, func(o *encode.Options) { o.ConsistentFunc = true }},
	{"decl_tag_kfuncs", true, func(o *encode.Options) { o.DeclTagKfuncs = true }},
	{"reproducible_build", false, nil},
	{"distilled_base", false, func(o *encode.Options) { o.DistilledBase = true }},
	{"global_var", false, func(o *encode.Options) { o.Vars = encode.VarsBuiltin }},
	{"split_var", false, func(o *encode.Options) { o.Vars = encode.VarsSplit }}, // kdbg's own, and so is the next
	{"extra_var", false, func(o *encode.Options) { o.VarsExtra = true }},
	{"attributes", false, func(o *encode.Options) { o.Attributes = true }},
	{"true_signature", false, func(o *encode.Options) { o.TrueSignature = true }},
	{"layout", false, func(o *encode.Options) { o.Layout = true }},
	{"force_cu_merging", false, nil}, // of 1.32
}

// legacy is what is on if there is no --btf_features, since before there was.
var legacy = features{"var": true, "decl_tag": true, "type_tag": true, "enum64": true}

// supportedFeatures returns the list of --supported_btf_features, as the version
// that is claimed has it.
func supportedFeatures() string {
	var names []string
	for _, f := range known {
		if f.name != "force_cu_merging" {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ",")
}

func (f features) apply(o *encode.Options) {
	for _, k := range known {
		if f[k.name] && k.set != nil {
			k.set(o)
		}
	}
}

func (f features) addStandard() {
	for _, k := range known {
		if k.standard {
			f[k.name] = true
		}
	}
}

// addFeatures reads the list of a --btf_features. The first one turns off what
// is on without any; each adds to those before. A + before the list stands for
// the standard set. "all" is every feature but distilled_base and split_var, which
// are not more to encode but another file.
func (p *parser) addFeatures(list string, strict bool) error {
	if !p.listed {
		p.listed, p.features = true, features{}
	} else {
		p.features = maps.Clone(p.features)
	}
	list, plus := strings.CutPrefix(list, "+")
	if plus {
		p.features.addStandard()
	}
	var unknown []string
	for name := range strings.SplitSeq(list, ",") {
		switch {
		case name == "":
		case name == "default":
			p.features.addStandard()
		case name == "all":
			for _, k := range known {
				p.features[k.name] = p.features[k.name] || k.name != "distilled_base" && k.name != "split_var"
			}
		case isFeature(name):
			p.features[name] = true
		case strict:
			return &FeatureError{name}
		default:
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		p.notes = append(p.notes, "ignoring unknown BTF features: "+strings.Join(unknown, ", "))
	}
	return nil
}

// SetFeatures turns on in o the features of a list, as --btf_features_strict does.
func SetFeatures(o *encode.Options, list string) error {
	p := &parser{}
	if err := p.addFeatures(list, true); err != nil {
		return err
	}
	p.features.apply(o)
	return nil
}

func isFeature(name string) bool {
	for _, k := range known {
		if k.name == name {
			return true
		}
	}
	return false
}
