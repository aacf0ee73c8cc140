package document

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/access"
)

// shelf has one job, and an address for whatever is asked.
type shelf struct{ job Job }

func (s shelf) Job(context.Context, string) (Job, error) { return s.job, nil }

func (s shelf) ResultAddress(_ context.Context, job string, r Result, _ time.Time) (Address, error) {
	return Address{Method: "GET", URL: "https://store.example/" + job + "/" + r.Order}, nil
}

// TestNoAddressIsGivenForAResultThatIsNotKeptSoLong: the store forgets what a job made before the table forgets the job.
func TestNoAddressIsGivenForAResultThatIsNotKeptSoLong(t *testing.T) {
	asked := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := shelf{Job{ID: "j1", State: Done, Person: "p", Client: "c", At: asked, End: End{Result: &Result{Order: "o1", SHA256: "0a"}}}}
	for after, address := range map[time.Duration]bool{
		time.Minute: true, ResultLife - AddressLife: true, ResultLife - AddressLife + time.Second: false, ResultLife: false,
		29 * 24 * time.Hour: false,
	} {
		d := documents{DocumentPorts{Jobs: s, Results: s, Now: func() time.Time { return asked.Add(after) }}}
		w := httptest.NewRecorder()
		if err := d.job(w, httptest.NewRequest("GET", "/jobs/j1", nil), access.Caller{Person: "p", Client: "c"}); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Result map[string]any `json:"result"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		_, url := got.Result["url"]
		_, expires := got.Result["expires"]
		if url != address || expires != address || got.Result["sha256"] != "0a" {
			t.Errorf("after %v: %s", after, w.Body)
		}
	}
}
