//go:build unix

package embedded

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/seal"
)

// The points at which a stamp is killed, and what must stand in the store afterwards.
var killPoints = []struct {
	name   string
	orders int // recorded
	state  seal.OrderState
	signed bool // a signature was made
}{
	{"before the order", 0, "", false},
	{"after the order", 1, seal.OrderBegun, false},
	{"after the signature", 1, seal.OrderBegun, true},
	{"before the end", 1, seal.OrderBegun, true},
	{"after the end", 1, seal.OrderDone, true},
}

// killer kills its process at one point, as kill -9 does.
type killer struct {
	seal.Orders
	key.Opener
	at, dir string
}

func (k killer) reach(point string) {
	if k.at == point {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // does not return
		select {}
	}
}

func (k killer) BeginOrder(ctx context.Context, o seal.Order, e audit.Event) error {
	k.reach("before the order")
	err := k.Orders.BeginOrder(ctx, o, e)
	k.note("order", o.ID)
	k.reach("after the order")
	return err
}

func (k killer) FinishOrder(ctx context.Context, id string, s seal.OrderState, end string, e audit.Event) error {
	k.reach("before the end")
	err := k.Orders.FinishOrder(ctx, id, s, end, e)
	k.reach("after the end")
	return err
}

func (k killer) OpenKey(ctx context.Context, p key.Purpose, owner string) (key.Signer, error) {
	s, err := k.Opener.OpenKey(ctx, p, owner)
	return killingSigner{s, k}, err
}

// note writes what happened where the parent finds it.
func (k killer) note(name, text string) {
	if err := os.WriteFile(filepath.Join(k.dir, name), []byte(text), 0o600); err != nil {
		panic(err)
	}
}

type killingSigner struct {
	key.Signer
	killer
}

func (s killingSigner) SignDigest(ctx context.Context, digest []byte) ([]byte, error) {
	signature, err := s.Signer.SignDigest(ctx, digest)
	s.note("signature", fmt.Sprintf("%x", signature))
	s.reach("after the signature")
	return signature, err
}

// TestKilledStamp is the child: it stamps and is killed on the way.
func TestKilledStamp(t *testing.T) {
	point, dir := os.Getenv("YINXIN_TEST_KILL"), os.Getenv("YINXIN_TEST_DIR")
	if point == "" {
		t.Skip("only as a child of TestAKilledStampLeavesNothingHalfDone")
	}
	o := openOffice(t, dir)
	s := o.activeSeal(t, "li", finance)
	k := killer{o.ports.Orders, o.ports.Keys, point, dir}
	k.note("seal", s.ID)
	o.ports.Orders, o.ports.Keys = k, k
	o.serve()
	document := o.ofd(t)
	if os.Getenv("YINXIN_TEST_FORMAT") == "pdf" {
		document = o.pdf(t)
	}
	contentType, body := stampBody(t, document, testOrder)
	r := httptest.NewRequest(http.MethodPost, "/seals/"+s.ID+"/stamps", body)
	r.Header.Set("Authorization", o.bearer(t, "li", "console", "seal.stamp"))
	r.Header.Set("Content-Type", contentType)
	o.handler.ServeHTTP(httptest.NewRecorder(), r)
	t.Fatal("the stamp was not killed")
}

func TestAKilledStampLeavesNothingHalfDone(t *testing.T) {
	for i, point := range killPoints {
		format := []string{"ofd", "pdf"}[i%2]
		t.Run(point.name, func(t *testing.T) {
			dir := t.TempDir()
			child := exec.Command(os.Args[0], "-test.run=^TestKilledStamp$", "-test.count=1")
			child.Env = append(os.Environ(), "YINXIN_TEST_KILL="+point.name, "YINXIN_TEST_DIR="+dir, "YINXIN_TEST_FORMAT="+format)
			out, err := child.CombinedOutput()
			if child.ProcessState.ExitCode() != -1 {
				t.Fatalf("the child ended by itself: %v\n%s", err, out)
			}
			c := newClock()
			db, err := Open(filepath.Join(dir, "store"), Options{Now: c.Now, NoSync: true})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			_, noSignature := os.Stat(filepath.Join(dir, "signature"))
			if (noSignature == nil) != point.signed {
				t.Fatalf("a signature exists: %v", noSignature == nil)
			}
			sealID, err := os.ReadFile(filepath.Join(dir, "seal"))
			if err != nil {
				t.Fatal(err)
			}
			events, err := Events{db}.ByObject(t.Context(), "seal/"+string(sealID))
			if err != nil {
				t.Fatal(err)
			}
			var outcomes []string
			for _, e := range events {
				if e.Action == "seal.stamp" {
					outcomes = append(outcomes, string(e.Outcome))
				}
			}
			want := map[seal.OrderState]string{"": "", seal.OrderBegun: "begun", seal.OrderDone: "begun done"}[point.state]
			if strings.Join(outcomes, " ") != want {
				t.Errorf("events %v, want %q", outcomes, want)
			}
			orderID, err := os.ReadFile(filepath.Join(dir, "order"))
			if (err == nil) != (point.orders == 1) {
				t.Fatalf("an order exists: %v", err)
			}
			if err == nil {
				order, err := Orders{db}.Order(t.Context(), string(orderID))
				if err != nil || order.State != point.state || (order.Result != "") != (point.state == seal.OrderDone) {
					t.Errorf("the order is %+v, %v", order, err)
				}
			}
		})
	}
}

// TestKilledMaking is the child: it makes a seal and is killed before its record is stored.
func TestKilledMaking(t *testing.T) {
	dir := os.Getenv("YINXIN_TEST_DIR")
	if os.Getenv("YINXIN_TEST_KILL") != "making" {
		t.Skip("only as a child of TestAKilledMakingIsDoneAnew")
	}
	o := openOffice(t, dir)
	s, _ := o.act(t, "/seals", "li", finance, "seal.request", 201)
	o.add(time.Minute)
	o.act(t, "/seals/"+s.ID+"/approve", "wang", authority, "seal.approve", 200)
	o.add(time.Minute)
	k := killer{at: "now", dir: dir}
	k.note("seal", s.ID)
	o.records = dyingRecords{Seals{o.db}, k}
	o.serve()
	o.act(t, "/seals/"+s.ID+"/make", "zhao", making, "seal.make", 200)
	t.Fatal("the making was not killed")
}

// dyingRecords dies instead of storing a change.
type dyingRecords struct {
	seal.Records
	killer
}

func (d dyingRecords) ReplaceSeal(context.Context, seal.Seal, audit.Event) error {
	d.reach("now")
	return nil
}

func TestAKilledMakingIsDoneAnew(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestKilledMaking$", "-test.count=1")
	child.Env = append(os.Environ(), "YINXIN_TEST_KILL=making", "YINXIN_TEST_DIR="+dir)
	if out, err := child.CombinedOutput(); child.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %v\n%s", err, out)
	}
	id, err := os.ReadFile(filepath.Join(dir, "seal"))
	if err != nil {
		t.Fatal(err)
	}
	o := openOffice(t, dir)
	before, err := Seals{o.db}.Seal(t.Context(), string(id))
	if err != nil || before.State() != seal.Approved || before.Body != nil {
		t.Fatalf("after the kill the seal is %q, %v", before.State(), err)
	}
	events, err := Events{o.db}.ByObject(t.Context(), "seal/"+string(id))
	if err != nil {
		t.Fatal(err)
	}
	if last := events[len(events)-1]; last.Action != "seal.make" || last.Outcome != audit.Begun {
		t.Errorf("the last event is %+v, want the beginning of the making", last)
	}
	if s, _ := o.act(t, "/seals/"+string(id)+"/make", "zhao", making, "seal.make", 200); s.State != "made" {
		t.Errorf("made anew, the seal is %+v", s)
	}
}
