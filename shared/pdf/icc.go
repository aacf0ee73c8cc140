package pdf

import (
	"encoding/binary"
	"math"
)

// sRGBProfile builds an ICC profile (ICC.1:2001-04, version 2) of sRGB (IEC 61966-2-1): three primaries adapted to
// D50, and the transfer curve in 1,024 steps.
func sRGBProfile() []byte {
	be := binary.BigEndian
	xyz := func(x, y, z float64) []byte {
		out := append([]byte("XYZ "), 0, 0, 0, 0)
		for _, v := range []float64{x, y, z} {
			out = be.AppendUint32(out, uint32(math.Round(v*65536)))
		}
		return out
	}
	const title = "sRGB IEC61966-2.1\x00"
	desc := append([]byte("desc"), 0, 0, 0, 0)
	desc = be.AppendUint32(desc, uint32(len(title)))
	desc = append(desc, title...)
	desc = append(desc, make([]byte, 4+4+2+1+67)...) // no Unicode and no ScriptCode description
	const steps = 1024
	curve := append([]byte("curv"), 0, 0, 0, 0)
	curve = be.AppendUint32(curve, steps)
	for i := range steps {
		curve = be.AppendUint16(curve, uint16(math.Round(linear(float64(i)/(steps-1))*65535)))
	}
	type tag struct {
		signature string
		data      []byte
	}
	tags := []tag{
		{"desc", desc},
		{"cprt", append([]byte("text\x00\x00\x00\x00"), "No copyright, use freely\x00"...)},
		{"wtpt", xyz(0.9505, 1, 1.0891)},
		{"rXYZ", xyz(0.43607, 0.22249, 0.01392)},
		{"gXYZ", xyz(0.38515, 0.71687, 0.09708)},
		{"bXYZ", xyz(0.14307, 0.06061, 0.71410)},
		{"rTRC", curve}, {"gTRC", nil}, {"bTRC", nil}, // one curve for all
	}
	table := be.AppendUint32(nil, uint32(len(tags)))
	var data []byte
	offset, size := 0, 0
	for _, t := range tags {
		if t.data != nil {
			offset, size = 128+4+12*len(tags)+len(data), len(t.data)
			data = append(data, t.data...)
			for len(data)%4 != 0 {
				data = append(data, 0)
			}
		}
		table = append(table, t.signature...)
		table = be.AppendUint32(table, uint32(offset))
		table = be.AppendUint32(table, uint32(size))
	}
	header := make([]byte, 128)
	be.PutUint32(header[0:], uint32(128+len(table)+len(data)))
	be.PutUint32(header[8:], 0x02400000) // version 2.4
	copy(header[12:], "mntrRGB XYZ ")
	for i, v := range []uint16{2026, 1, 1, 0, 0, 0} {
		be.PutUint16(header[24+2*i:], v)
	}
	copy(header[36:], "acsp")
	copy(header[68:], xyz(0.9642, 1, 0.8249)[8:]) // D50
	return append(append(header, table...), data...)
}

// linear is the transfer function of sRGB.
func linear(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}
