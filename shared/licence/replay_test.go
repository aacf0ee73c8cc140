package licence

import "testing"

func TestTheSequenceOfAPlaceIsFoundAgain(t *testing.T) {
	for _, size := range []int{8, 32, 1 << 10, listSize} {
		for key := range byte(3) {
			for sequence := 0; sequence < size; sequence += max(1, size/500) {
				k := [32]byte{key, 7}
				index := statusIndex(Ticket{Sequence: sequence, Key: k}, size)
				if got := statusSequence(index, k, size); got != sequence {
					t.Fatalf("size %d, key %d: place %d is of sequence %d, not %d", size, key, index, got, sequence)
				}
			}
		}
	}
}
