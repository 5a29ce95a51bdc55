package dwarftest

import "github.com/kdbg/kdbg/encode/dwarf"

// attrs are the attributes by name, without DW_AT_.
var attrs = map[string]dwarf.Attr{
	"sibling": dwarf.AttrSibling, "location": dwarf.AttrLocation, "name": dwarf.AttrName,
	"byte_size": dwarf.AttrByteSize, "bit_offset": dwarf.AttrBitOffset, "bit_size": dwarf.AttrBitSize,
	"stmt_list": dwarf.AttrStmtList, "low_pc": dwarf.AttrLowPC, "high_pc": dwarf.AttrHighPC,
	"language": dwarf.AttrLanguage, "import": dwarf.AttrImport, "comp_dir": dwarf.AttrCompDir,
	"const_value": dwarf.AttrConstValue, "inline": dwarf.AttrInline, "lower_bound": dwarf.AttrLowerBound,
	"producer": dwarf.AttrProducer, "prototyped": dwarf.AttrPrototyped, "upper_bound": dwarf.AttrUpperBound,
	"abstract_origin": dwarf.AttrAbstractOrigin, "artificial": dwarf.AttrArtificial,
	"calling_convention": dwarf.AttrCallingConvention, "count": dwarf.AttrCount,
	"data_member_location": dwarf.AttrMemberLocation, "decl_column": dwarf.AttrDeclColumn,
	"decl_file": dwarf.AttrDeclFile, "decl_line": dwarf.AttrDeclLine, "declaration": dwarf.AttrDeclaration,
	"encoding": dwarf.AttrEncoding, "external": dwarf.AttrExternal, "frame_base": dwarf.AttrFrameBase,
	"specification": dwarf.AttrSpecification, "type": dwarf.AttrType, "entry_pc": dwarf.AttrEntryPC,
	"ranges": dwarf.AttrRanges, "signature": dwarf.AttrSignature, "data_bit_offset": dwarf.AttrDataBitOffset,
	"linkage_name": dwarf.AttrLinkageName, "str_offsets_base": dwarf.AttrStrOffsetsBase,
	"addr_base": dwarf.AttrAddrBase, "rnglists_base": dwarf.AttrRnglistsBase, "alignment": dwarf.AttrAlignment,
	"loclists_base": dwarf.AttrLoclistsBase, "MIPS_linkage_name": dwarf.AttrMIPSLinkageName,
	"GNU_vector": dwarf.AttrGNUVector, "GNU_addr_base": dwarf.AttrGNUAddrBase, "GNU_annotation": dwarf.AttrGNUAnnotation,
}

// forms are the forms by name, without DW_FORM_.
var forms = map[string]dwarf.Form{
	"addr": dwarf.FormAddr, "block2": dwarf.FormBlock2, "block4": dwarf.FormBlock4, "data2": dwarf.FormData2,
	"data4": dwarf.FormData4, "data8": dwarf.FormData8, "string": dwarf.FormString, "block": dwarf.FormBlock,
	"block1": dwarf.FormBlock1, "data1": dwarf.FormData1, "flag": dwarf.FormFlag, "sdata": dwarf.FormSdata,
	"strp": dwarf.FormStrp, "udata": dwarf.FormUdata, "ref_addr": dwarf.FormRefAddr, "ref1": dwarf.FormRef1,
	"ref2": dwarf.FormRef2, "ref4": dwarf.FormRef4, "ref8": dwarf.FormRef8, "ref_udata": dwarf.FormRefUdata,
	"indirect": dwarf.FormIndirect, "sec_offset": dwarf.FormSecOffset, "exprloc": dwarf.FormExprloc,
	"flag_present": dwarf.FormFlagPresent, "strx": dwarf.FormStrx, "addrx": dwarf.FormAddrx,
	"ref_sup4": dwarf.FormRefSup4, "strp_sup": dwarf.FormStrpSup, "data16": dwarf.FormData16,
	"line_strp": dwarf.FormLineStrp, "ref_sig8": dwarf.FormRefSig8, "implicit_const": dwarf.FormImplicitConst,
	"loclistx": dwarf.FormLoclistx, "rnglistx": dwarf.FormRnglistx, "ref_sup8": dwarf.FormRefSup8,
	"strx1": dwarf.FormStrx1, "strx2": dwarf.FormStrx2, "strx3": dwarf.FormStrx3, "strx4": dwarf.FormStrx4,
	"addrx1": dwarf.FormAddrx1, "addrx2": dwarf.FormAddrx2, "addrx3": dwarf.FormAddrx3, "addrx4": dwarf.FormAddrx4,
	"GNU_addr_index": dwarf.FormGNUAddrIndex, "GNU_str_index": dwarf.FormGNUStrIndex,
	"GNU_ref_alt": dwarf.FormGNURefAlt, "GNU_strp_alt": dwarf.FormGNUStrpAlt,
}

// tags are the tags by name, without DW_TAG_.
var tags = func() map[string]dwarf.Tag {
	m := make(map[string]dwarf.Tag)
	for t := range dwarf.Tag(0x6010) {
		m[t.String()[len("DW_TAG_"):]] = t
	}
	return m
}()
