package encode

// What types.go and unit.go on the one side, functions and variables on the
// other, agree on.
//
// unit.go walks the entries of a unit and calls, in the order of the entries:
//
//	w.functions.begin(w), w.variables.begin(w)   a unit begins; arrays are emptied, not freed
//	w.functions.subprogram(w, e, depth)          every DW_TAG_subprogram, at any depth
//	w.functions.parameter(w, e)                  a formal parameter of the subprogram last seen
//	w.functions.varargs(w)                       its unspecified parameters
//	w.functions.annotation(w, tag, value)        a declaration tag (LLVM) on the function, parameter
//	w.variables.annotation(w, value)             or variable seen last
//	w.variables.variable(w, e, depth)            every DW_TAG_variable; depth 1 is unit level
//	w.functions.end(w), w.variables.end(w)       all types of the unit are interned
//
// e is overwritten by the next entry: keep w.entry(e.Type()) (a dedup.Entry, 0
// for void) and w.name(e.Name()) (a dedup.Name). In end, and only there,
// w.types.Class(entry) gives the class of a type of this unit, w.types.Proto
// interns a FUNC_PROTO with the names of its parameters, w.types.Shape looks at a
// class.
//
// A dedup.Class together with w.scope names one type of the output. When all
// units are read, emit.go calls
//
//	em.functions(workers) error                  write FUNCs with their prototypes and tags
//	em.variables(workers) error                  write VARs, DATASECs and tags
//
// where em.graph.Node(class, scope) gives a node, em.id(node) its number in the
// BTF (a prototype is written when it is first asked for), em.name(name) a
// string, em.graph.Record(node) what a type is, and em.build writes records.
//
// If w.borrowed is set, the unit is read only because another one refers into
// it (link-time optimisation): its subprograms are kept for abstract_origin and
// specification, but are no candidates.
