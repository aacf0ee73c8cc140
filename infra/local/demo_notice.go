package main

import (
	"fmt"
	"time"

	"github.com/yinxin/yinxin/shared/layout"
)

// The public notice that two agencies stamp together: who is to get how much from the service-industry fund.

const (
	noticeTitle = "示例省服务业发展专项资金拟支持项目公示（示例）"
	amount      = "300,000.00" // of the company of the story, in the first row
	forged      = "900,000.00" // what a forger makes of it
)

// place is where a seal goes: its middle, in millimetres from the top left, on page 1.
type place struct{ X, Y float64 }

// Where the two agencies stamp: over their names and the date (骑年盖月).
var (
	financePlace  = place{70, 226}
	commercePlace = place{145, 226}
)

// publicNotice lays the notice out on one A4 page.
func publicNotice(fonts *layout.Fonts, day time.Time) ([]layout.Page, error) {
	page := layout.Page{W: 210, H: 297}
	centred := func(face layout.Face, s string, size, x, y float64) error {
		w, err := fonts.Width(face, s, size)
		page.Items = append(page.Items, layout.Text{X: x - w/2, Y: y, Size: size, Face: face, S: s})
		return err
	}
	if err := centred(layout.Bold, "示例省服务业发展专项资金", 8, 105, 38); err != nil {
		return nil, err
	}
	if err := centred(layout.Bold, "拟支持项目公示（示例）", 8, 105, 50); err != nil {
		return nil, err
	}
	paragraph := "　　为支持服务业发展，根据《示例省服务业发展专项资金管理办法（示例）》，经申报、评审和联合审核，现将拟支持项目予以公示。" +
		"公示期七日。对公示内容有异议的，请在公示期内向示例省财政厅、示例省商务厅书面反映。本公示及其中的单位、金额均为虚构，仅供演示。"
	lines, err := fonts.Lines(layout.Regular, paragraph, 5, 154)
	if err != nil {
		return nil, err
	}
	y := 68.0
	for _, line := range lines {
		page.Items = append(page.Items, layout.Text{X: 28, Y: y, Size: 5, S: line})
		y += 9
	}
	rows := [][3]string{
		{"单位名称", "项目", "拟支持金额（元）"},
		{"示例家政服务有限公司", "居家上门服务培训", amount},
		{"示例养老服务有限公司", "社区日间照料", "450,000.00"},
		{"示例物流服务有限公司", "农村末端配送", "620,000.00"},
	}
	y += 4
	columns := []float64{28, 88, 142, 182}
	for i, row := range rows {
		page.Items = append(page.Items, rule(28, y, 154, 0.3))
		face := layout.Regular
		if i == 0 {
			face = layout.Bold
		}
		for j, s := range row {
			if err := centred(face, s, 4.6, (columns[j]+columns[j+1])/2, y+8); err != nil {
				return nil, err
			}
		}
		y += 12
	}
	page.Items = append(page.Items, rule(28, y, 154, 0.3))
	for _, a := range []struct {
		name string
		at   place
	}{{"示例省财政厅", financePlace}, {"示例省商务厅", commercePlace}} {
		if err := centred(layout.Regular, a.name, 5.4, a.at.X, a.at.Y-4); err != nil {
			return nil, err
		}
		if err := centred(layout.Regular, fmt.Sprintf("%d年%d月%d日", day.Year(), day.Month(), day.Day()), 5, a.at.X,
			a.at.Y+8); err != nil {
			return nil, err
		}
	}
	return []layout.Page{page}, nil
}

// rule is a line of a height, drawn as a filled rectangle.
func rule(x, y, w, h float64) layout.Path {
	return layout.Path{Fill: layout.Black, Ops: []layout.Op{
		{Kind: 'M', X: x, Y: y}, {Kind: 'L', X: x + w, Y: y}, {Kind: 'L', X: x + w, Y: y + h},
		{Kind: 'L', X: x, Y: y + h}, {Kind: 'Z'},
	}}
}
