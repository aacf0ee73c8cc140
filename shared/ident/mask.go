package ident

import (
	"strings"
	"unicode/utf8"
)

// MaskRule says how much of a value is shown to someone who was not given it (脱敏规则). The rule of a field stands in
// its licence type; these are the defaults of common practice.
type MaskRule string

// The rules.
const (
	MaskNone    MaskRule = ""        // shown as it is: public values such as an organisation's name or code
	MaskName    MaskRule = "name"    // the surname: 张*
	MaskID      MaskRule = "id"      // the first three and the last two characters
	MaskPhone   MaskRule = "phone"   // the first three and the last four digits
	MaskAddress MaskRule = "address" // down to the county or district (区县)
	MaskAll     MaskRule = "all"     // nothing
)

// Known tells whether r is one of the rules.
func (r MaskRule) Known() bool {
	switch r {
	case MaskNone, MaskName, MaskID, MaskPhone, MaskAddress, MaskAll:
		return true
	}
	return false
}

// Mask shows of value what the rule allows. A value too short for its rule, and one under an unknown rule, is hidden
// whole. The number of stars tells nothing about a name or an address.
func Mask(rule MaskRule, value string) string {
	if value == "" {
		return ""
	}
	switch rule {
	case MaskNone:
		return value
	case MaskName:
		return maskName(value)
	case MaskID:
		return maskMiddle(value, 3, 2)
	case MaskPhone:
		return maskMiddle(value, 3, 4)
	case MaskAddress:
		return maskAddress(value)
	default:
		return "*"
	}
}

// compoundSurnames are the surnames of two characters (复姓) in common use.
const compoundSurnames = "欧阳 太史 端木 上官 司马 东方 独孤 南宫 万俟 闻人 夏侯 诸葛 尉迟 公羊 赫连 澹台 皇甫 宗政 濮阳 " +
	"公冶 太叔 申屠 公孙 慕容 仲孙 钟离 长孙 宇文 司徒 鲜于 司空 闾丘 子车 亓官 司寇 巫马 公西 颛孙 壤驷 公良 漆雕 乐正 " +
	"宰父 谷梁 拓跋 夹谷 轩辕 令狐 段干 百里 呼延 东郭 南门 羊舌 微生 公户 公玉 公仪 梁丘 公仲 公上 公门 公山 公坚 左丘 " +
	"公伯 西门 公祖 第五 公乘 贯丘 公皙 南荣 东里 东宫 仲长 子书 子桑 即墨 淳于 达奚 褚师"

func maskName(name string) string {
	_, first := utf8.DecodeRuneInString(name)
	if first == len(name) {
		return "*" // a name of one character has nothing that may be shown
	}
	_, second := utf8.DecodeRuneInString(name[first:])
	if two := name[:first+second]; len(two) < len(name) && second > 1 &&
		strings.Contains(" "+compoundSurnames+" ", " "+two+" ") {
		return two + "*"
	}
	return name[:first] + "*"
}

func maskMiddle(s string, head, tail int) string {
	runes := []rune(s)
	if len(runes) < head+tail+4 {
		return "*"
	}
	for i := head; i < len(runes)-tail; i++ {
		runes[i] = '*'
	}
	return string(runes)
}

// maskAddress keeps what names a province, a prefecture and a county. It stops before the first character that
// belongs to a finer place, so that the 区 of 小区 never counts.
func maskAddress(s string) string {
	keep, segment := 0, 0
	for i, r := range s {
		end := i + utf8.RuneLen(r)
		if r == utf8.RuneError {
			break // the length of an invalid byte is not that of the rune
		}
		if strings.ContainsRune("镇乡街道路巷弄村社号楼园小0123456789", r) {
			break
		}
		if segment++; segment > 12 {
			break
		}
		switch r {
		case '省', '市', '州', '盟':
			keep, segment = end, 0
		case '区', '县', '旗':
			keep, segment = end, 0
			if !strings.HasSuffix(s[:end], "自治区") && !strings.HasSuffix(s[:end], "行政区") && !strings.HasSuffix(s[:end], "地区") {
				return s[:keep] + "*"
			}
		}
	}
	return s[:keep] + "*"
}
