package main

import (
	"net/http"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/notice"
	"github.com/yinxin/yinxin/shared/page"
	"github.com/yinxin/yinxin/shared/problem"
)

// outboxPath is where this server shows what a deployment's message gateway would bring to people.
const outboxPath = "/demo/outbox"

// outboxLength is how many notices, and dead letters, the page shows.
const outboxLength = 100

// notify is driven by the stream of the trail.
func notify(p notice.NotifyPorts) driven {
	return driven{
		Name: "notify", Timeout: time.Minute, Ways: []gateway.Way{gateway.Recorded(notice.Notify(p))},
		Streams: []streamSource{{Table: embedded.TableLog, Prefix: "event#", Insert: true, Batch: 100, Attempts: 100}},
	}
}

// outbox shows the notices and the dead letters.
func (s *server) outbox() http.Handler {
	zone := time.FixedZone("UTC+8", 8*60*60)
	when := func(t time.Time) (text, machine string) {
		return t.In(zone).Format("2006-01-02 15:04:05 UTC+8"), t.Format(time.RFC3339)
	}
	return problem.Handler(func(w http.ResponseWriter, r *http.Request) error {
		notices, err := (embedded.Notices{DB: s.db}).Notices(r.Context(), outboxLength)
		if err != nil {
			return err
		}
		letters, err := (embedded.DeadLetters{DB: s.db}).All(r.Context(), outboxLength)
		if err != nil {
			return err
		}
		var o page.Outbox
		for _, n := range notices {
			shown := page.OutboxNotice{To: n.To, ZH: n.ZH, EN: n.EN, By: n.By, Purpose: n.Purpose, ItemCode: n.ItemCode,
				CaseNumber: n.CaseNumber, Object: n.Object}
			shown.Time, shown.MachineTime = when(n.Time)
			o.Notices = append(o.Notices, shown)
		}
		for _, l := range letters {
			shown := page.OutboxDead{Function: l.Function, Source: l.Source, Reason: l.Reason}
			shown.Time, shown.MachineTime = when(l.Time)
			o.Dead = append(o.Dead, shown)
		}
		page.Write(w, http.StatusOK, o.Page())
		return nil
	})
}
