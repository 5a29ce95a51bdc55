package dwarf

import "fmt"

// Tag is what kind of thing an entry describes (DW_TAG_*).
type Tag uint16

// Tags that C, and what Linux has of Rust and C++, give rise to.
const (
	TagArrayType              Tag = 0x01
	TagClassType              Tag = 0x02
	TagEnumerationType        Tag = 0x04
	TagFormalParameter        Tag = 0x05
	TagImportedDeclaration    Tag = 0x08
	TagLabel                  Tag = 0x0a
	TagLexicalBlock           Tag = 0x0b
	TagMember                 Tag = 0x0d
	TagPointerType            Tag = 0x0f
	TagReferenceType          Tag = 0x10
	TagCompileUnit            Tag = 0x11
	TagStringType             Tag = 0x12
	TagStructureType          Tag = 0x13
	TagSubroutineType         Tag = 0x15
	TagTypedef                Tag = 0x16
	TagUnionType              Tag = 0x17
	TagUnspecifiedParameters  Tag = 0x18
	TagVariant                Tag = 0x19
	TagInheritance            Tag = 0x1c
	TagInlinedSubroutine      Tag = 0x1d
	TagPtrToMemberType        Tag = 0x1f
	TagSetType                Tag = 0x20
	TagSubrangeType           Tag = 0x21
	TagBaseType               Tag = 0x24
	TagConstType              Tag = 0x26
	TagEnumerator             Tag = 0x28
	TagFileType               Tag = 0x29
	TagSubprogram             Tag = 0x2e
	TagTemplateTypeParameter  Tag = 0x2f
	TagTemplateValueParameter Tag = 0x30
	TagVariantPart            Tag = 0x33
	TagVariable               Tag = 0x34
	TagVolatileType           Tag = 0x35
	TagDwarfProcedure         Tag = 0x36
	TagRestrictType           Tag = 0x37
	TagInterfaceType          Tag = 0x38
	TagNamespace              Tag = 0x39
	TagImportedModule         Tag = 0x3a
	TagUnspecifiedType        Tag = 0x3b
	TagPartialUnit            Tag = 0x3c
	TagImportedUnit           Tag = 0x3d
	TagSharedType             Tag = 0x40
	TagTypeUnit               Tag = 0x41
	TagRvalueReferenceType    Tag = 0x42
	TagTemplateAlias          Tag = 0x43
	TagGenericSubrange        Tag = 0x45
	TagAtomicType             Tag = 0x47
	TagCallSite               Tag = 0x48
	TagCallSiteParameter      Tag = 0x49
	TagSkeletonUnit           Tag = 0x4a
	TagImmutableType          Tag = 0x4b
	TagGNUCallSite            Tag = 0x4109
	TagGNUCallSiteParameter   Tag = 0x410a
	TagLLVMAnnotation         Tag = 0x6000
	TagGNUAnnotation          Tag = 0x6001
)

var tagNames = map[Tag]string{
	TagArrayType: "array_type", TagClassType: "class_type", TagEnumerationType: "enumeration_type",
	TagFormalParameter: "formal_parameter", TagImportedDeclaration: "imported_declaration", TagLabel: "label",
	TagLexicalBlock: "lexical_block", TagMember: "member", TagPointerType: "pointer_type",
	TagReferenceType: "reference_type", TagCompileUnit: "compile_unit", TagStringType: "string_type",
	TagStructureType: "structure_type", TagSubroutineType: "subroutine_type", TagTypedef: "typedef",
	TagUnionType: "union_type", TagUnspecifiedParameters: "unspecified_parameters", TagVariant: "variant",
	TagInheritance: "inheritance", TagInlinedSubroutine: "inlined_subroutine", TagPtrToMemberType: "ptr_to_member_type",
	TagSetType: "set_type", TagSubrangeType: "subrange_type", TagBaseType: "base_type", TagConstType: "const_type",
	TagEnumerator: "enumerator", TagFileType: "file_type", TagSubprogram: "subprogram",
	TagTemplateTypeParameter: "template_type_parameter", TagTemplateValueParameter: "template_value_parameter",
	TagVariantPart: "variant_part", TagVariable: "variable", TagVolatileType: "volatile_type",
	TagDwarfProcedure: "dwarf_procedure", TagRestrictType: "restrict_type", TagInterfaceType: "interface_type",
	TagNamespace: "namespace", TagImportedModule: "imported_module", TagUnspecifiedType: "unspecified_type",
	TagPartialUnit: "partial_unit", TagImportedUnit: "imported_unit", TagSharedType: "shared_type",
	TagTypeUnit: "type_unit", TagRvalueReferenceType: "rvalue_reference_type", TagTemplateAlias: "template_alias",
	TagGenericSubrange: "generic_subrange", TagAtomicType: "atomic_type", TagCallSite: "call_site",
	TagCallSiteParameter: "call_site_parameter", TagSkeletonUnit: "skeleton_unit", TagImmutableType: "immutable_type",
	TagGNUCallSite: "GNU_call_site", TagGNUCallSiteParameter: "GNU_call_site_parameter",
	TagLLVMAnnotation: "LLVM_annotation", TagGNUAnnotation: "GNU_annotation",
}

// String returns the name of the tag as the standard has it: "DW_TAG_member".
func (t Tag) String() string {
	if s, ok := tagNames[t]; ok {
		return "DW_TAG_" + s
	}
	return fmt.Sprintf("DW_TAG_%#x", uint16(t))
}

// Attr is an attribute of an entry (DW_AT_*). Attributes that have no [Slot] are
// skipped.
type Attr uint16

const (
	AttrSibling           Attr = 0x01
	AttrLocation          Attr = 0x02
	AttrName              Attr = 0x03
	AttrByteSize          Attr = 0x0b
	AttrBitOffset         Attr = 0x0c
	AttrBitSize           Attr = 0x0d
	AttrStmtList          Attr = 0x10
	AttrLowPC             Attr = 0x11
	AttrHighPC            Attr = 0x12
	AttrLanguage          Attr = 0x13
	AttrImport            Attr = 0x18
	AttrCompDir           Attr = 0x1b
	AttrConstValue        Attr = 0x1c
	AttrInline            Attr = 0x20
	AttrLowerBound        Attr = 0x22
	AttrProducer          Attr = 0x25
	AttrPrototyped        Attr = 0x27
	AttrUpperBound        Attr = 0x2f
	AttrAbstractOrigin    Attr = 0x31
	AttrArtificial        Attr = 0x34
	AttrCallingConvention Attr = 0x36
	AttrCount             Attr = 0x37
	AttrMemberLocation    Attr = 0x38
	AttrDeclColumn        Attr = 0x39
	AttrDeclFile          Attr = 0x3a
	AttrDeclLine          Attr = 0x3b
	AttrDeclaration       Attr = 0x3c
	AttrEncoding          Attr = 0x3e
	AttrExternal          Attr = 0x3f
	AttrFrameBase         Attr = 0x40
	AttrSpecification     Attr = 0x47
	AttrType              Attr = 0x49
	AttrEntryPC           Attr = 0x52
	AttrRanges            Attr = 0x55
	AttrSignature         Attr = 0x69
	AttrDataBitOffset     Attr = 0x6b
	AttrLinkageName       Attr = 0x6e
	AttrStrOffsetsBase    Attr = 0x72
	AttrAddrBase          Attr = 0x73
	AttrRnglistsBase      Attr = 0x74
	AttrAlignment         Attr = 0x88
	AttrLoclistsBase      Attr = 0x8c
	AttrMIPSLinkageName   Attr = 0x2007
	AttrGNUVector         Attr = 0x2107
	AttrGNUAddrBase       Attr = 0x2133
	AttrGNUAnnotation     Attr = 0x2139
)

// Form is how the value of an attribute is stored (DW_FORM_*).
type Form uint16

const (
	FormAddr          Form = 0x01
	FormBlock2        Form = 0x03
	FormBlock4        Form = 0x04
	FormData2         Form = 0x05
	FormData4         Form = 0x06
	FormData8         Form = 0x07
	FormString        Form = 0x08
	FormBlock         Form = 0x09
	FormBlock1        Form = 0x0a
	FormData1         Form = 0x0b
	FormFlag          Form = 0x0c
	FormSdata         Form = 0x0d
	FormStrp          Form = 0x0e
	FormUdata         Form = 0x0f
	FormRefAddr       Form = 0x10
	FormRef1          Form = 0x11
	FormRef2          Form = 0x12
	FormRef4          Form = 0x13
	FormRef8          Form = 0x14
	FormRefUdata      Form = 0x15
	FormIndirect      Form = 0x16
	FormSecOffset     Form = 0x17
	FormExprloc       Form = 0x18
	FormFlagPresent   Form = 0x19
	FormStrx          Form = 0x1a
	FormAddrx         Form = 0x1b
	FormRefSup4       Form = 0x1c
	FormStrpSup       Form = 0x1d
	FormData16        Form = 0x1e
	FormLineStrp      Form = 0x1f
	FormRefSig8       Form = 0x20
	FormImplicitConst Form = 0x21
	FormLoclistx      Form = 0x22
	FormRnglistx      Form = 0x23
	FormRefSup8       Form = 0x24
	FormStrx1         Form = 0x25
	FormStrx2         Form = 0x26
	FormStrx3         Form = 0x27
	FormStrx4         Form = 0x28
	FormAddrx1        Form = 0x29
	FormAddrx2        Form = 0x2a
	FormAddrx3        Form = 0x2b
	FormAddrx4        Form = 0x2c
	FormGNUAddrIndex  Form = 0x1f01
	FormGNUStrIndex   Form = 0x1f02
	FormGNURefAlt     Form = 0x1f20
	FormGNUStrpAlt    Form = 0x1f21
)

// Encodings of base types (DW_ATE_*).
const (
	EncodingAddress        = 0x01
	EncodingBoolean        = 0x02
	EncodingComplexFloat   = 0x03
	EncodingFloat          = 0x04
	EncodingSigned         = 0x05
	EncodingSignedChar     = 0x06
	EncodingUnsigned       = 0x07
	EncodingUnsignedChar   = 0x08
	EncodingImaginaryFloat = 0x09
	EncodingUTF            = 0x10
)

// Languages of units (DW_LANG_*) that Linux has, beside the many versions of C.
const (
	LanguageRust          = 0x1c
	LanguageMipsAssembler = 0x8001
)

// CallingConventionNocall (DW_CC_nocall) says that a function does not follow
// the calling convention of its machine: a compiler changed its parameters.
const CallingConventionNocall = 0x03
