package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/audit"
)

func openFeeds(t *testing.T) (*DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	db, err := Open(path, Options{Now: time.Now, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // a second time it does nothing
	return db, path
}

func enter(t *testing.T, db *DB, id string) {
	t.Helper()
	e := audit.Event{ID: id, Time: time.Now(), Action: "test", Outcome: audit.Done}
	if err := (Events{db}).Record(t.Context(), e); err != nil {
		t.Error(err)
	}
}

func next(t *testing.T, f Feed, consumer string) []StreamRecord {
	t.Helper()
	records, err := f.Next(t.Context(), consumer, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestAFeedIsInTheOrderOfItsWritesAndHasEachOnce(t *testing.T) {
	db, _ := openFeeds(t)
	f := Feed{db, TableLog}
	if err := f.Join(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	var writing sync.WaitGroup
	for i := range 50 {
		writing.Go(func() {
			enter(t, db, fmt.Sprint(i))
			enter(t, db, fmt.Sprint(i)) // known: nothing new is told
		})
	}
	writing.Wait()
	records := next(t, f, "c")
	if len(records) != 50 {
		t.Fatalf("%d records", len(records))
	}
	seen := map[string]bool{}
	for i, r := range records {
		if i > 0 && r.SequenceNumber() <= records[i-1].SequenceNumber() {
			t.Errorf("%s after %s", r.SequenceNumber(), records[i-1].SequenceNumber())
		}
		if seen[r.Key()] || seen[r.EventID] {
			t.Errorf("%s, %s came before", r.Key(), r.EventID)
		}
		seen[r.Key()], seen[r.EventID] = true, true
	}
}

// TestARecordHasTheShapeThatLambdaGives compares with the example of the Lambda developer guide ("Process DynamoDB records with
// Lambda", "Polling and batching streams"): the same members with values of the same kind.
func TestARecordHasTheShapeThatLambdaGives(t *testing.T) {
	db, _ := openFeeds(t)
	f := Feed{db, TableLog}
	if err := f.Join(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	enter(t, db, "e1")
	data, err := json.Marshal(next(t, f, "c")[0])
	if err != nil {
		t.Fatal(err)
	}
	var r map[string]any
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	for path, form := range map[string]string{
		"eventID": `[0-9a-f]{32}`, "eventName": `INSERT`, "eventVersion": `1\.1`, "eventSource": `aws:dynamodb`, "awsRegion": `\w+`,
		"dynamodb.ApproximateCreationDateTime": `\d\.\d+e\+09`, "dynamodb.Keys.pk.S": `event#e1`, "dynamodb.Keys.sk.S": `-`,
		"dynamodb.NewImage.pk.S": `event#e1`, "dynamodb.NewImage.body.S": `\{"id":"e1",.*\}`, "dynamodb.SequenceNumber": `\d{21,40}`,
		"dynamodb.SizeBytes": `\d+`, "dynamodb.StreamViewType": `NEW_IMAGE`, "eventSourceARN": `arn:aws:dynamodb:\w+:\d{12}:table/log/stream/\S+`,
	} {
		var at any = r
		for name := range strings.SplitSeq(path, ".") {
			m, _ := at.(map[string]any)
			at = m[name]
		}
		if text := fmt.Sprint(at); !regexp.MustCompile(`^` + form + `$`).MatchString(text) {
			t.Errorf("%s is %s, want %s", path, text, form)
		}
	}
}

func TestARecordStaysUntilEveryConsumerTookIt(t *testing.T) {
	db, path := openFeeds(t)
	f := Feed{db, TableLog}
	for _, c := range []string{"a", "b", "a"} { // joining again changes nothing
		if err := f.Join(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		enter(t, db, fmt.Sprint(i))
	}
	number := func(c string, i int) string { return next(t, f, c)[i].SequenceNumber() }
	take := func(c, n string) {
		t.Helper()
		if err := f.Take(t.Context(), c, n); err != nil {
			t.Fatal(err)
		}
	}
	take("a", number("a", 6))
	if err := f.Join(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if a, b := len(next(t, f, "a")), len(next(t, f, "b")); a != 3 || b != 10 {
		t.Errorf("left: %d and %d, want 3 and 10", a, b)
	}
	take("b", number("b", 9))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := Open(path, Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	f.DB = db
	if a, b := len(next(t, f, "a")), len(next(t, f, "b")); a != 3 || b != 0 {
		t.Errorf("after a start: %d and %d, want 3 and 0", a, b)
	}
	left := 0
	err = db.view(func(tx *bbolt.Tx) error { left = tx.Bucket([]byte(bucketFeed + TableLog)).Stats().KeyN; return nil })
	if err != nil || left != 3 {
		t.Errorf("%d records are kept (%v), want the 3 that one has not taken", left, err)
	}
	enter(t, db, "new")
	if b := next(t, f, "b"); len(b) != 1 || b[0].Key() != "event#new" {
		t.Errorf("b gets %v", b)
	}
	if _, err := f.Next(t.Context(), "stranger", 1); err == nil {
		t.Error("one who did not join gets records")
	}
	for _, bad := range []string{"", "x", "1x", "-"} {
		if f.Take(t.Context(), "a", bad) == nil {
			t.Errorf("%q is a sequence number", bad)
		}
	}
}

// TestAConsumerThatIsNoMoreKeepsNothing: its place would keep every record that is written from then on.
func TestAConsumerThatIsNoMoreKeepsNothing(t *testing.T) {
	db, _ := openFeeds(t)
	f, other := Feed{db, TableLog}, Feed{db, TableSSO}
	for _, c := range []string{"old", "b"} {
		if err := errors.Join(f.Join(t.Context(), c), other.Join(t.Context(), c)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		enter(t, db, fmt.Sprint(i))
	}
	if err := f.Keep(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	list := next(t, f, "b")
	if len(list) != 10 {
		t.Fatalf("b has %d records to take", len(list))
	}
	if err := f.Take(t.Context(), "b", list[9].SequenceNumber()); err != nil {
		t.Fatal(err)
	}
	left := 0
	err := db.view(func(tx *bbolt.Tx) error { left = tx.Bucket([]byte(bucketFeed + TableLog)).Stats().KeyN; return nil })
	if err != nil || left != 0 {
		t.Errorf("%d records are kept for nobody (%v)", left, err)
	}
	if _, err := f.Next(t.Context(), "old", 1); err == nil {
		t.Error("one who was not kept gets records")
	}
	if _, err := other.Next(t.Context(), "old", 1); err != nil {
		t.Errorf("the feed of another table: %v", err)
	}
}

// TestEveryWriteIsToldByTheFeedOfItsTable plays the flow of a licence, and compares the trail with what the feeds say: every
// event of a record, as it stands in the trail, and every event of the trail once.
func TestEveryWriteIsToldByTheFeedOfItsTable(t *testing.T) {
	b := openBureau(t, t.TempDir())
	tables := []string{TableSSO, TableRegistry, TableSeals, TableLicences, TableLog}
	for _, table := range tables {
		if err := (Feed{b.db, table}).Join(t.Context(), "c"); err != nil {
			t.Fatal(err)
		}
	}
	l := b.issued(t)
	if err := b.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	decode(t, b.verb(t, l.ID, "revoke", "sun", labour, "示例"), 200)
	trail := map[string]audit.Event{}
	all, err := (Events{b.db}).ByTime(t.Context(), time.Time{}, b.Now().Add(time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		trail[e.ID] = e
	}
	told, kinds := map[string]int{}, map[string]bool{}
	for _, table := range tables {
		for _, r := range next(t, Feed{b.db, table}, "c") {
			kind, _, _ := strings.Cut(r.Key(), "#")
			kinds[table+" "+kind+" "+r.EventName] = true
			text := r.Change.NewImage["event"].S
			if table == TableLog {
				text = r.Change.NewImage["body"].S
			}
			var e audit.Event
			if err := json.Unmarshal([]byte(text), &e); err != nil {
				t.Fatalf("%s: %v", r.Key(), err)
			}
			if known, ok := trail[e.ID]; !ok || !known.Time.Equal(e.Time) || known.Action != e.Action || known.Holder != e.Holder || known.Person != e.Person {
				t.Errorf("%s of %s says %+v, the trail %+v", r.Key(), table, e, known)
			}
			if table == TableLog {
				told[e.ID]++
			}
		}
	}
	for id, e := range trail {
		if told[id] != 1 {
			t.Errorf("%s was told %d times", e.Action, told[id])
		}
	}
	for _, kind := range []string{"licences licence INSERT", "licences licence MODIFY", "licences list INSERT", "licences type INSERT",
		"seals seal INSERT", "seals seal MODIFY", "seals order INSERT", "registry organisation INSERT", "log event INSERT"} {
		if !kinds[kind] {
			t.Errorf("no feed has %s", kind)
		}
	}
}

// TestAWriteThatIsTakenBackIsNotTold: the feed is of the same transaction.
func TestAWriteThatIsTakenBackIsNotTold(t *testing.T) {
	db, _ := openFeeds(t)
	f := Feed{db, TableLicences}
	if err := f.Join(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := db.update(func(tx *bbolt.Tx) error {
		e := audit.Event{ID: "e", Time: time.Now(), Action: "test", Outcome: audit.Done}
		if err := tell(tx, image{table: TableLicences, pk: "licence#l", created: true}, e); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) || len(next(t, f, "c")) != 0 {
		t.Errorf("%v; told: %v", err, next(t, f, "c"))
	}
}

func TestAQueueHidesBringsAgainAndGivesUp(t *testing.T) {
	db, _ := openFeeds(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	db.Now = func() time.Time { return now }
	q := Queue{DB: db, Name: "q", Visibility: time.Minute, MaxReceives: 2}
	receive := func(limit int) []QueueMessage {
		t.Helper()
		list, _, err := q.Receive(t.Context(), limit)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	for _, body := range []string{"a", "b", "c"} {
		if err := q.Send(t.Context(), body, "g", ""); err != nil {
			t.Fatal(err)
		}
	}
	first := receive(2)
	if len(first) != 2 || first[0].Body != "a" || first[1].Body != "b" || first[0].Attributes["ApproximateReceiveCount"] != "1" ||
		first[0].Attributes["MessageGroupId"] != "g" || first[0].EventSource != "aws:sqs" || first[0].MD5 != "0cc175b9c0f1b6a831c399e269772661" {
		t.Fatalf("received %+v", first) // the digest is RFC 1321's, A.5
	}
	if rest := receive(9); len(rest) != 1 || rest[0].Body != "c" {
		t.Errorf("while two are hidden: %+v", rest)
	}
	if _, next, err := q.Receive(t.Context(), 1); err != nil || !next.Equal(now.Add(time.Minute)) {
		t.Errorf("there may be one at %s, %v", next, err)
	}
	if err := q.Delete(t.Context(), first[0].ReceiptHandle); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	again := receive(9)
	if len(again) != 2 || again[0].Body != "b" || again[0].Attributes["ApproximateReceiveCount"] != strconv.Itoa(2) {
		t.Errorf("after a minute: %+v", again)
	}
	if err := q.Delete(t.Context(), first[1].ReceiptHandle); err != nil { // of the first time: somebody else has it now
		t.Fatal(err)
	}
	if err := q.Hide(t.Context(), again[1].ReceiptHandle, time.Hour); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Minute)
	if left := receive(9); len(left) != 0 {
		t.Errorf("received too often: %+v", left)
	}
	letters, err := (DeadLetters{db}).All(t.Context(), 9)
	if err != nil || len(letters) != 1 || letters[0].Body != "b" || letters[0].Source != "q" {
		t.Errorf("dead letters %+v, %v", letters, err)
	}
	for _, bad := range []string{"", "x/1"} {
		if q.Delete(t.Context(), bad) == nil {
			t.Errorf("%q is a receipt", bad)
		}
	}
	if err := q.Delete(t.Context(), "999/1"); err != nil {
		t.Errorf("a message that is gone: %v", err)
	}
}

func TestAQueueTakesOneOfTheSameForFiveMinutes(t *testing.T) {
	db, _ := openFeeds(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	db.Now = func() time.Time { return now }
	q := Queue{DB: db, Name: "q", Visibility: time.Minute, MaxReceives: 2}
	var sending sync.WaitGroup
	for range 50 {
		sending.Go(func() {
			if err := q.Send(t.Context(), "a", "g", "same"); err != nil {
				t.Error(err)
			}
		})
	}
	sending.Wait()
	now = now.Add(deduplication)
	if err := q.Send(t.Context(), "later", "g", "same"); err != nil {
		t.Fatal(err)
	}
	list, _, err := q.Receive(t.Context(), 100)
	var bodies []string
	for _, m := range list {
		bodies = append(bodies, m.Body)
	}
	if err != nil || !slices.Equal(bodies, []string{"a", "later"}) {
		t.Errorf("%v, %v", bodies, err)
	}
}
