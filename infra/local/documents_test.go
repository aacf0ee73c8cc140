package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	yaml "github.com/oasdiff/yaml3"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/seal"
)

// largePDF is a PDF of one page whose content has n bytes that no compression would make fewer.
func largePDF(t *testing.T, n int) []byte {
	t.Helper()
	noise := make([]byte, n/2)
	if _, err := io.ReadFull(rand.Reader, noise); err != nil {
		t.Fatal(err)
	}
	var content bytes.Buffer
	for line := range slices.Chunk(noise, 40) {
		fmt.Fprintf(&content, "%% %x\n", line) // comments (ISO 32000-1, section 7.2.3)
	}
	var b bytes.Buffer
	var at []int
	b.WriteString("%PDF-1.7\n%\xe5\x8d\xb0\xe4\xbf\xa1\n")
	for i, object := range []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >> /Contents 4 0 R >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", content.Len(), content.String()),
	} {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	table := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, table)
	return b.Bytes()
}

type address struct {
	Method, URL string
	Headers     map[string]string
}

// send does what an address says, as a client would that knows nothing else.
func (a address) send(t *testing.T, client *http.Client, data []byte) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), a.Method, a.URL, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range a.Headers {
		r.Header.Set(name, value)
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, body
}

type jobSeen struct {
	ID, Kind, State string
	Result          *struct {
		Order, MediaType, SHA256 string
		Size                     int
		URL                      string
	}
	Problem *struct{ Code string }
}

// await asks for a job until it has ended.
func await(t *testing.T, c caller, id string) (job jobSeen) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		answer, err := c.get(t.Context(), "/jobs/"+id, "application/json")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(answer, &job); err != nil {
			t.Fatal(err)
		}
		if job.State == "done" || job.State == "failed" {
			return job
		}
	}
	t.Fatalf("job %s has not ended: %+v", id, job)
	return job
}

// announced is an upload that was announced.
type announced struct {
	ID     string
	Upload address
}

func announce(t *testing.T, c caller, document []byte) (out announced) {
	t.Helper()
	sum := sha256.Sum256(document)
	in := map[string]any{"mediaType": "application/pdf", "size": len(document), "sha256": hex.EncodeToString(sum[:])}
	if err := c.post(t.Context(), "/documents", in, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// desk is a server with the seal of 示例省财政厅 in use, and its clerk and another at the agencies' desk.
func desk(t *testing.T) (s *server, told *telling, li, sun caller, seal string) {
	t.Helper()
	s = startTest(t, config{})
	told, err := s.newTelling(t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := told.seal(t.Context(), finance, "li"); err != nil {
		t.Fatal(err)
	}
	if li, err = told.at(t.Context(), "li"); err != nil {
		t.Fatal(err)
	}
	if sun, err = told.at(t.Context(), "sun"); err != nil {
		t.Fatal(err)
	}
	return s, told, li, sun, told.made[finance]
}

func stampOrder(document string) map[string]any {
	return map[string]any{"document": document, "order": map[string]any{
		"purpose": why("公示拟支持项目(示例)", "ZJ-0007", "ZJ-2026-0042"), "place": map[string]any{"page": 1, "x": 100, "y": 150},
	}}
}

func TestADocumentTooLargeForOneCallIsStampedAsAJob(t *testing.T) {
	s, told, li, sun, seal := desk(t)
	ctx := t.Context()
	document := largePDF(t, 7<<20)
	if _, err := li.stamp(ctx, seal, "large.pdf", document, map[string]any{"purpose": why("示例", "", ""),
		"place": map[string]any{"page": 1, "x": 100, "y": 150}}); answer(err) != "413 too_large" {
		t.Fatalf("in one call: %s", answer(err))
	}
	up := announce(t, li, document)
	spoilt := bytes.Clone(document)
	spoilt[len(spoilt)/2]++
	if status, _ := up.Upload.send(t, told.http, spoilt); status != 400 {
		t.Errorf("other bytes were answered with %d", status)
	}
	if status, body := up.Upload.send(t, told.http, document); status != 200 {
		t.Fatalf("the upload was answered with %d %s", status, body)
	}
	if status, _ := up.Upload.send(t, told.http, document); status != 412 {
		t.Errorf("a second upload was answered with %d", status)
	}
	if err := sun.post(ctx, "/seals/"+seal+"/stamps", stampOrder(up.ID), nil); answer(err) != "422 document_unknown" {
		t.Errorf("another's document: %s", answer(err))
	}

	var first, second struct{ ID string }
	for _, out := range []any{&first, &second} { // a request that is repeated under its key is one job
		if location := submit(t, li, seal, up.ID, "key-1", out); !strings.HasPrefix(location, "/jobs/") {
			t.Errorf("Location: %s", location)
		}
	}
	if first.ID == "" || first.ID != second.ID {
		t.Fatalf("one key, jobs %q and %q", first.ID, second.ID)
	}
	job := await(t, li, first.ID)
	if job.State != "done" || job.Kind != "seal.stamp" || job.Result == nil {
		t.Fatalf("the job ended as %+v", job)
	}
	if _, err := sun.get(ctx, "/jobs/"+first.ID, "application/json"); answer(err) != "404 job_unknown" {
		t.Errorf("another's job: %s", answer(err))
	}
	status, stamped := address{Method: "GET", URL: job.Result.URL}.send(t, told.http, nil)
	sum := sha256.Sum256(stamped)
	if status != 200 || len(stamped) != job.Result.Size || hex.EncodeToString(sum[:]) != job.Result.SHA256 || !bytes.HasPrefix(stamped, document) {
		t.Fatalf("the result was answered with %d and %d bytes", status, len(stamped))
	}
	order, err := (embedded.Orders{DB: s.db}).Order(ctx, job.Result.Order)
	if err != nil || order.State != "done" || order.Result != "sha256:"+job.Result.SHA256 || order.Person != "li" {
		t.Errorf("the order is %+v, %v", order, err)
	}
	events, err := (embedded.Events{DB: s.db}).ByObject(ctx, "seal/"+seal)
	if err != nil {
		t.Fatal(err)
	}
	var uses []string
	for _, e := range events {
		if e.Action == "seal.submit" || e.Action == "seal.stamp" {
			uses = append(uses, e.Action+" "+string(e.Outcome)+" "+e.Person+" "+e.Reason)
		}
	}
	slices.Sort(uses) // times have whole seconds
	want := []string{"seal.stamp begun li ", "seal.stamp done li ", "seal.submit done li ", "seal.submit refused sun document_unknown"}
	if !slices.Equal(uses, want) {
		t.Errorf("the trail of the seal has %q, want %q", uses, want)
	}
	accepted(t, stamped)
}

// submit asks for a stamp under an Idempotency-Key and returns where the job is.
func submit(t *testing.T, c caller, seal, document, key string, out any) (location string) {
	t.Helper()
	body, err := json.Marshal(stampOrder(document))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", c.base+"/seals/"+seal+"/stamps", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Authorization": {"Bearer " + c.token}, "Content-Type": {"application/json"}, "Idempotency-Key": {key}}
	answer, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 202 {
		t.Fatalf("answered %d %s, %v", answer.StatusCode, data, err)
	}
	if err := json.Unmarshal(data, out); err != nil {
		t.Fatal(err)
	}
	return answer.Header.Get("Location")
}

// accepted has Poppler look at a stamped PDF.
func accepted(t *testing.T, stamped []byte) {
	t.Helper()
	pdfsig, err := exec.LookPath("pdfsig")
	if err != nil && os.Getenv("YINXIN_REQUIRE_TOOLS") != "" {
		t.Fatal("needs pdfsig")
	}
	if err != nil {
		return // the rest of the test stands
	}
	path := filepath.Join(t.TempDir(), "stamped.pdf")
	if err := os.WriteFile(path, stamped, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), pdfsig, "-nocert", path).CombinedOutput()
	if text := string(out); err != nil || !strings.Contains(text, "Signature is Valid.") || !strings.Contains(text, "Total document signed") {
		t.Errorf("pdfsig says %v\n%s", err, text)
	}
}

// TestJobsHaveTheTimesOfTheTemplate compares what is waited for: a claim and an order outlive the invocations under them, a
// message is hidden for six of them (Lambda developer guide, "Configuring a queue to use with Lambda"), and what the queue
// gave up is looked for afterwards.
func TestJobsHaveTheTimesOfTheTemplate(t *testing.T) {
	data, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Properties struct {
				Timeout    int `yaml:"Timeout"`
				Visibility int `yaml:"VisibilityTimeout"`
				Redrive    struct {
					Receives int `yaml:"maxReceiveCount"`
				} `yaml:"RedrivePolicy"`
				Lifecycle struct {
					Rules []struct {
						ID   string `yaml:"Id"`
						Days int    `yaml:"ExpirationInDays"`
					} `yaml:"Rules"`
				} `yaml:"LifecycleConfiguration"`
				Events map[string]struct {
					Properties struct {
						Batch int `yaml:"BatchSize"`
					} `yaml:"Properties"`
				} `yaml:"Events"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	var all yaml.Node
	if err := yaml.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	resources := yaml.Node{Kind: yaml.MappingNode}
	for _, name := range []string{"Job", "JobQueue", "SealStamp", "Artefacts"} {
		for i, n := range all.Content[0].Content {
			if n.Value != "Resources" {
				continue
			}
			for j, r := range all.Content[0].Content[i+1].Content {
				if r.Value == name {
					resources.Content = append(resources.Content, r, all.Content[0].Content[i+1].Content[j+1])
				}
			}
		}
	}
	if err := resources.Decode(&template.Resources); err != nil {
		t.Fatal(err)
	}
	job, queue, stamp := template.Resources["Job"].Properties, template.Resources["JobQueue"].Properties, template.Resources["SealStamp"].Properties
	second := func(n int) time.Duration { return time.Duration(n) * time.Second }
	if second(job.Timeout) != jobTimeout || second(queue.Visibility) != jobVisibility || queue.Redrive.Receives != jobReceives ||
		job.Events["JobsQueue"].Properties.Batch != 1 {
		t.Errorf("the template has job %+v and its queue %+v", job, queue)
	}
	for _, r := range template.Resources["Artefacts"].Properties.Lifecycle.Rules {
		kept := time.Duration(r.Days) * 24 * time.Hour
		if r.ID == "Results" && kept != document.ResultLife || r.ID == "Uploads" && kept <= document.UploadLife {
			t.Errorf("the bucket keeps %s for %v", r.ID, kept)
		}
	}
	switch {
	case second(stamp.Timeout) == 0 || second(stamp.Timeout) >= jobTimeout:
		t.Errorf("seal-stamp may take %d seconds, and job waits for %v", stamp.Timeout, jobTimeout)
	case second(stamp.Timeout) >= seal.OrderLife, jobTimeout >= document.ClaimLife:
		t.Error("an order or a claim is over before the invocation under it")
	case jobVisibility < 6*jobTimeout, document.ClaimLife >= jobVisibility:
		t.Errorf("a message is hidden for %v", jobVisibility)
	case document.SweepAfter < jobReceives*jobVisibility:
		t.Errorf("the sweep comes after %v, while the queue still has the job", document.SweepAfter)
	}
}

func TestAJobThatIsRefusedEndsAndSaysWhy(t *testing.T) {
	s, told, li, _, seal := desk(t)
	ctx := t.Context()
	document := largePDF(t, 1000)
	t.Run("nothing was uploaded", func(t *testing.T) {
		up := announce(t, li, document)
		if err := li.post(ctx, "/seals/"+seal+"/stamps", stampOrder(up.ID), nil); answer(err) != "409 document_missing" {
			t.Errorf("answered %s", answer(err))
		}
	})
	t.Run("what was uploaded is no document", func(t *testing.T) {
		junk := []byte("no PDF at all")
		up := announce(t, li, junk)
		if status, _ := up.Upload.send(t, told.http, junk); status != 200 {
			t.Fatal(status)
		}
		var job struct{ ID string }
		submit(t, li, seal, up.ID, "key-2", &job)
		if ended := await(t, li, job.ID); ended.State != "failed" || ended.Problem == nil || ended.Problem.Code != "unsupported_media_type" {
			t.Errorf("the job ended as %+v", ended)
		}
	})
	t.Run("the seal is suspended", func(t *testing.T) {
		up := announce(t, li, document)
		if status, _ := up.Upload.send(t, told.http, document); status != 200 {
			t.Fatal(status)
		}
		wang, err := told.at(ctx, "wang")
		if err != nil {
			t.Fatal(err)
		}
		in := map[string]any{"organisation": authority, "purpose": why("停用(示例)", "YZ-0001", "YZ-2026-0003")}
		if err := wang.post(ctx, "/seals/"+seal+"/suspend", in, nil); err != nil {
			t.Fatal(err)
		}
		if err := li.post(ctx, "/seals/"+seal+"/stamps", stampOrder(up.ID), nil); answer(err) != "409 seal_suspended" {
			t.Errorf("with a suspended seal: %s", answer(err))
		}
	})
	dead, err := (embedded.DeadLetters{DB: s.db}).All(ctx, 10)
	if err != nil || len(dead) > 0 {
		t.Errorf("dead letters: %+v, %v", dead, err)
	}
	for _, id := range []string{"", "x", strings.Repeat("0", 32), "../seals"} {
		if _, err := li.get(ctx, "/jobs/"+id, "application/json"); err == nil {
			t.Errorf("there is a job %q", id)
		} else if refused := (*refusal)(nil); !errors.As(err, &refused) || refused.status != 404 {
			t.Errorf("job %q: %v", id, err)
		}
	}
}

func TestAnUploadIsRefusedByWhatIsSaidOfIt(t *testing.T) {
	_, _, li, _, _ := desk(t)
	digest := strings.Repeat("0a", 32)
	for want, in := range map[string]map[string]any{
		"422 media_type_refused": {"mediaType": "text/html", "size": 1, "sha256": digest},
		"422 size_refused":       {"mediaType": "application/pdf", "size": 32<<20 + 1, "sha256": digest},
		"422 digest_refused":     {"mediaType": "application/ofd", "size": 1, "sha256": strings.ToUpper(digest)},
		"400 bad_request":        {"mediaType": "application/pdf", "size": 1, "sha256": digest, "name": "a.pdf"},
	} {
		if err := li.post(t.Context(), "/documents", in, nil); answer(err) != want {
			t.Errorf("%v: %s, want %s", in, answer(err), want)
		}
	}
	stranger := li
	stranger.token = ""
	if err := stranger.post(t.Context(), "/documents", map[string]any{}, nil); answer(err) != "401 unauthenticated" {
		t.Errorf("without a token: %s", answer(err))
	}
}
