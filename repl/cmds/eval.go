package cmds

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

func init() {
	register(&Command{
		Name: "eval",
		Args: "[-b] EXPRESSION",
		Help: "show a number in hexadecimal, decimal, octal and binary",
		Doc: `eval shows the value of an expression, which must be a number or a pointer, in
four bases. It knows what print knows, and

    128m, 0x10k, 2g     with k, m or g behind a number: KiB, MiB, GiB
    ffff888003a40000    hexadecimal numbers without 0x, if they have a letter

    eval 128m
    eval -b 0xff00                the numbers of the bits that are set, too
    eval (1 << 34) + 512k
    eval _etext - _stext

Numbers have 64 bits here, not those of an int.`,
		Expr:     true,
		Run:      runEval,
		Complete: completeExpr,
	})
}

func runEval(ctx context.Context, env *Env, args string) error {
	src, bits := strings.CutPrefix(args, "-b ")
	src, _ = strings.CutPrefix(strings.TrimSpace(src), "-l ") // numbers have 64 bits here
	if src = strings.TrimSpace(src); src == "" {
		return usage("eval", "eval wants an expression")
	}
	v, err := env.eval(ctx, plainNumbers(src))
	if err != nil {
		return err
	}
	u, err := v.Uint()
	if err != nil {
		return err
	}
	if env.JSON {
		return env.Object(struct {
			Expr        string `json:"expr"`
			Hexadecimal string `json:"hexadecimal"`
			Decimal     uint64 `json:"decimal"`
			Signed      int64  `json:"signed"`
			Bits        []int  `json:"bits"`
		}{src, hex(u), u, int64(u), setBits(u)})
	}
	signed, unit := "", ""
	if int64(u) < 0 {
		signed = fmt.Sprintf("  (%d)", int64(u))
	}
	if text := wholeUnits(u); text != "" {
		unit = "  (" + text + ")"
	}
	text := fmt.Sprintf("hexadecimal: %x%s\n    decimal: %d%s\n      octal: %o\n     binary: %064b\n", u, unit, u, signed, u, u)
	if bits {
		text += "   bits set: " + strings.Trim(fmt.Sprint(setBits(u)), "[]") + "\n"
	}
	return env.Printf("%s", text)
}

var (
	// hexWord is a hexadecimal number without 0x: digits, then a letter, or
	// eight and more.
	hexWord = regexp.MustCompile(`(^|[^\w.$#])([0-9][0-9a-fA-F]*[a-fA-F][0-9a-fA-F]*|[0-9a-fA-F]{8,16})($|[^\w.])`)
	// unitWord is a number with a unit.
	unitWord = regexp.MustCompile(`\b(0[xX][0-9a-fA-F]+|[0-9]+)([kKmMgG])\b`)
	// plainWord is a number of C without a suffix.
	plainWord = regexp.MustCompile(`(^|[^\w.$#'"])(0[xX][0-9a-fA-F]+|[0-9]+)($|[^\w.])`)
)

// plainNumbers rewrites the numbers that C does not know, and makes all of them
// as wide as the machine's long.
func plainNumbers(src string) string {
	src = unitWord.ReplaceAllStringFunc(src, func(word string) string {
		n := len(word) - 1
		shift := map[byte]int{'k': 10, 'm': 20, 'g': 30}[word[n]|0x20]
		return fmt.Sprintf("(%sUL << %d)", word[:n], shift)
	})
	src = hexWord.ReplaceAllStringFunc(src, func(match string) string {
		part := hexWord.FindStringSubmatch(match)
		if strings.Trim(part[2], "0123456789") == "" {
			return match // decimal
		}
		return part[1] + "0x" + part[2] + part[3]
	})
	for range 2 { // neighbours share the character between them
		src = plainWord.ReplaceAllString(src, "${1}${2}L${3}")
	}
	return src
}

// wholeUnits writes a number that is some KiB, MiB or GiB, and "" for others.
func wholeUnits(u uint64) string {
	for i, unit := range []string{"GB", "MB", "KB"} {
		if shift := 30 - 10*i; u != 0 && u%(1<<shift) == 0 && u>>shift < 1<<20 {
			return fmt.Sprintf("%d%s", u>>shift, unit)
		}
	}
	return ""
}

// setBits returns the numbers of the bits that are set, highest first.
func setBits(u uint64) []int {
	bits := []int{}
	for i := range 64 {
		if u>>i&1 != 0 {
			bits = append(bits, i)
		}
	}
	slices.Reverse(bits)
	return bits
}
