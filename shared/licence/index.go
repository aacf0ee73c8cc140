package licence

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"strconv"
	"strings"
)

// listSize is the number of entries of a status list, a power of two: large enough to hide who is who in it.
const listSize = 1 << 17

// ListSize is the number of places in a status list.
const ListSize = listSize

// Index is the place of a ticket in a list of [ListSize] places.
func (t Ticket) Index() int { return statusIndex(t, listSize) }

// statusIndex turns the sequence of a ticket into an index: a permutation of 0 … size-1 that nobody without the key can
// tell from a random one, so that an index says nothing about when or to whom it was given (ARF VCR_17), and none is
// given twice. It is a Feistel network of ten rounds over the bits of the index, with HMAC-SHA-256 as round function.
// size is a power of two. See TestStatusIndexIsAPermutation.
func statusIndex(t Ticket, size int) int {
	width := bits.Len(uint(size - 1))
	left, right := width/2, width-width/2 // widths in bits; they change places with every round
	l, r := uint64(t.Sequence)>>right, uint64(t.Sequence)&(1<<right-1)
	for round := range uint64(10) {
		mac := hmac.New(sha256.New, t.Key[:])
		var in [16]byte
		binary.BigEndian.PutUint64(in[:8], round)
		binary.BigEndian.PutUint64(in[8:], r)
		mac.Write(in[:])
		f := binary.BigEndian.Uint64(mac.Sum(nil))
		l, r = r, (l^f)&(1<<left-1)
		left, right = right, left
	}
	return int(l<<right | r)
}

// statusSequence is the inverse of statusIndex.
func statusSequence(index int, key [32]byte, size int) int {
	width := bits.Len(uint(size - 1))
	left, right := width/2, width-width/2 // they have changed places ten times
	l, r := uint64(index)>>right, uint64(index)&(1<<right-1)
	for round := uint64(9); ; round-- {
		left, right = right, left
		mac := hmac.New(sha256.New, key[:])
		var in [16]byte
		binary.BigEndian.PutUint64(in[:8], round)
		binary.BigEndian.PutUint64(in[8:], l)
		mac.Write(in[:])
		f := binary.BigEndian.Uint64(mac.Sum(nil))
		l, r = (r^f)&(1<<left-1), l
		if round == 0 {
			return int(l<<right | r)
		}
	}
}

// listName is the name of the n-th status list of an agency, from 1.
func listName(uscc string, n int) string { return uscc + "-" + strconv.Itoa(n) }

// listAgency is the agency of a list.
func listAgency(list string) (uscc string, ok bool) {
	i := strings.LastIndexByte(list, '-')
	if i < 0 {
		return "", false
	}
	return list[:i], true
}
