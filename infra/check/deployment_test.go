package check

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// number is a literal number, or -1.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// behaviour: what the resources do under load, failure and misuse, as far as the template decides it. Each line names the
// page of AWS that asks for it.
func behaviour(t *testing.T, tr tree) (broken []string) {
	tm := readTemplate(t, tr)
	say := func(format string, args ...any) {
		broken = append(broken, "template.yaml: "+fmt.Sprintf(format, args...))
	}
	if got := text(at(tm.Node, "Globals", "Function", "LoggingConfig", "LogFormat")); got != "JSON" {
		say("logs are %q, not JSON", got)
	}
	for _, r := range tm.resources("AWS::Serverless::HttpApi") {
		if text(r.prop("StageName")) != "$default" {
			say("%s has the stage %q, not $default: paths would begin with it", r.name, text(r.prop("StageName")))
		}
		if value(r.prop("DefaultRouteSettings"), "ThrottlingRateLimit") == nil || value(r.prop(), "AccessLogSettings") == nil {
			say("%s is not throttled or not logged", r.name)
		}
	}
	for _, r := range tm.resources("AWS::DynamoDB::Table") {
		if indexes := r.prop("GlobalSecondaryIndexes"); indexes != nil {
			for _, index := range indexes.Content { // an index has a throughput of its own (DynamoDB, "On-demand capacity mode")
				if value(index, "OnDemandThroughput") == nil {
					say("%s: the index %s has no upper bound of its cost", r.name, text(value(index, "IndexName")))
				}
			}
		}
	}
	objectLock(tm, say)
	accessLogs(tm, say)
	queues(tm, say)
	readers := map[string]int{}
	for folder, r := range tm.functions() {
		events := r.prop("Events")
		for _, name := range keys(events) {
			switch e := at(events, name); text(value(e, "Type")) {
			case "DynamoDB":
				stream := text(at(e, "Properties", "Stream"))
				if readers[stream]++; readers[stream] == 3 { // "no more than two processes … from the same stream shard"
					say("%s is read by more than two functions", stream)
				}
				// Lambda Developer Guide, "Using AWS Lambda with Amazon DynamoDB": a bad record must not stop the shard, nor be lost.
				if text(at(e, "Properties", "BisectBatchOnFunctionError")) != "true" || number(text(at(e, "Properties", "MaximumRetryAttempts"))) < 1 ||
					text(at(e, "Properties", "DestinationConfig", "OnFailure", "Type")) != "SQS" {
					say("%s: a record that fails stops the stream %s or is lost", r.name, name)
				}
				fallthrough
			case "SQS":
				if got := texts(at(e, "Properties", "FunctionResponseTypes")); len(got) != 1 || got[0] != "ReportBatchItemFailures" {
					say("%s: one record that fails fails the batch of %s", r.name, name)
				}
			case "Schedule":
				if text(at(r.prop("EventInvokeConfig"), "DestinationConfig", "OnFailure", "Type")) != "SQS" {
					say("%s is scheduled, and what fails is lost", r.name)
				}
			case "HttpApi":
				if strings.HasSuffix(folder, "-seed") || number(text(r.prop("Timeout"))) >= 30 { // "integration timeout 30 seconds"
					say("%s answers after API Gateway has given up", r.name)
				}
			}
		}
	}
	return broken
}

// objectLock: what the log bucket holds is written once and kept (S3 User Guide, "Locking objects with Object Lock").
func objectLock(tm template, say func(string, ...any)) {
	for _, r := range tm.resources("AWS::S3::Bucket") {
		if r.name != "Tiles" {
			continue
		}
		if text(r.prop("ObjectLockEnabled")) != "true" || text(r.prop("ObjectLockConfiguration", "ObjectLockEnabled")) != "Enabled" ||
			text(at(r.prop("ObjectLockConfiguration"), "Rule", "DefaultRetention", "Mode")) != "COMPLIANCE" {
			say("%s can be emptied: it has no object lock in compliance mode", r.name)
		}
		writtenOnce(tm, "Tiles", say)
		writtenOnce(tm, "Artefacts", say) // faces, uploads, results
		return
	}
	say("there is no bucket for the log")
}

// writtenOnce: nobody replaces what stands in a bucket: its policy refuses a PutObject that does not ask for that.
func writtenOnce(tm template, bucket string, say func(string, ...any)) {
	for _, p := range tm.resources("AWS::S3::BucketPolicy") {
		for _, st := range statements(p.Node) {
			if text(p.prop("Bucket")) == "!Ref "+bucket && text(value(st, "Effect")) == "Deny" &&
				text(at(st, "Condition", "Null", "s3:if-none-match")) == "true" {
				return
			}
		}
	}
	say("%s can be written twice", bucket)
}

// accessLogs: a bucket that takes access logs is encrypted by S3's own key and lets the service write for this account
// (S3 User Guide, "Enabling Amazon S3 server access logging").
func accessLogs(tm template, say func(string, ...any)) {
	for _, r := range tm.resources("AWS::S3::Bucket") {
		to := strings.TrimPrefix(text(r.prop("LoggingConfiguration", "DestinationBucketName")), "!Ref ")
		if to == "" {
			continue
		}
		rules := at(tm.Node, "Resources", to, "Properties", "BucketEncryption", "ServerSideEncryptionConfiguration")
		if rules == nil || text(at(rules.Content[0], "ServerSideEncryptionByDefault", "SSEAlgorithm")) != "AES256" {
			say("%s: S3 delivers no access logs to %s", r.name, to)
		}
		lets := false
		for _, p := range tm.resources("AWS::S3::BucketPolicy") {
			for _, st := range statements(p.Node) {
				lets = lets || text(p.prop("Bucket")) == "!Ref "+to && text(value(st, "Effect")) == "Allow" &&
					text(at(st, "Principal", "Service")) == "logging.s3.amazonaws.com" &&
					text(at(st, "Condition", "StringEquals", "aws:SourceAccount")) == "!Ref AWS::AccountId"
			}
		}
		if !lets {
			say("%s: S3 may not write access logs to %s", r.name, to)
		}
	}
}

// queues: a message is not given out again while a function may still work on it ("at least six times the function's
// timeout", Lambda Developer Guide, "Using Lambda with Amazon SQS"), is tried five times, and what is dead is kept longer
// than what lives, for in a standard queue its age goes on (SQS Developer Guide, "Using dead-letter queues").
func queues(tm template, say func(string, ...any)) {
	timeouts := map[string]int{}
	for _, r := range tm.functions() {
		events := r.prop("Events")
		for _, name := range keys(events) {
			if queue := text(at(events, name, "Properties", "Queue")); queue != "" {
				timeout := number(text(r.prop("Timeout")))
				if timeout < 0 {
					timeout = number(text(at(tm.Node, "Globals", "Function", "Timeout")))
				}
				window := max(0, number(text(at(events, name, "Properties", "MaximumBatchingWindowInSeconds"))))
				timeouts[strings.TrimSuffix(strings.TrimPrefix(queue, "!GetAtt "), ".Arn")] = 6*timeout + window
			}
		}
	}
	for _, r := range tm.resources("AWS::SQS::Queue") {
		if text(r.prop("KmsMasterKeyId")) != "!GetAtt QueueKey.Arn" {
			say("%s is encrypted with another key than that of queues", r.name)
		}
		if want, got := timeouts[r.name], number(text(r.prop("VisibilityTimeout"))); want > 0 && got < want {
			say("%s gives a message out again after %d seconds; its function needs %d", r.name, got, want)
		}
		dead := strings.TrimSuffix(strings.TrimPrefix(text(r.prop("RedrivePolicy", "deadLetterTargetArn")), "!GetAtt "), ".Arn")
		if dead == "" {
			continue
		}
		if got := number(text(r.prop("RedrivePolicy", "maxReceiveCount"))); got < 5 {
			say("%s gives up after %d attempts", r.name, got)
		}
		fifo := text(r.prop("FifoQueue")) == "true" // "the dead-letter queue of a FIFO queue must also be a FIFO queue"
		if fifo != (text(at(tm.Node, "Resources", dead, "Properties", "FifoQueue")) == "true") {
			say("%s and %s are not of one kind", r.name, dead)
		}
		keeps := number(text(at(tm.Node, "Resources", dead, "Properties", "MessageRetentionPeriod")))
		if !fifo && keeps <= number(text(r.prop("MessageRetentionPeriod"))) {
			say("%s keeps the dead no longer than %s the living", dead, r.name)
		}
	}
}

func TestTheTemplateBehaves(t *testing.T) {
	holds(t, behaviour)
	finds(t, behaviour,
		spoilt{templateFile, "LoggingConfig: {LogFormat: JSON,", "LoggingConfig: {LogFormat: Text,", []string{`template.yaml: logs are "Text", not JSON`}},
		spoilt{templateFile, "StageName: $default", "StageName: prod", []string{`template.yaml: HttpApi has the stage "prod", not $default: paths would begin with it`}},
		spoilt{templateFile, "DefaultRouteSettings:", "RouteDefaults:", []string{"template.yaml: HttpApi is not throttled or not logged"}},
		spoilt{templateFile, "          OnDemandThroughput: {MaxReadRequestUnits: !Ref MaxReadUnits, MaxWriteRequestUnits: !Ref MaxWriteUnits}\n", "",
			[]string{"template.yaml: RegistryTable: the index first has no upper bound of its cost"}},
		spoilt{templateFile, "Mode: COMPLIANCE", "Mode: GOVERNANCE", []string{"template.yaml: Tiles can be emptied: it has no object lock in compliance mode"}},
		spoilt{templateFile, "Resource: !Sub ${Tiles.Arn}/tile/*\n            Condition: {\"Null\": {\"s3:if-none-match\": \"true\"}}", "Resource: !Sub ${Tiles.Arn}/tile/*",
			[]string{"template.yaml: Tiles can be written twice"}},
		spoilt{templateFile, "Resource: !Sub ${Artefacts.Arn}/*\n            Condition: {\"Null\": {\"s3:if-none-match\": \"true\"}}", "Resource: !Sub ${Artefacts.Arn}/*",
			[]string{"template.yaml: Artefacts can be written twice"}},
		spoilt{templateFile, "Principal: {Service: logging.s3.amazonaws.com}", "Principal: {Service: logs.amazonaws.com}",
			[]string{"template.yaml: Artefacts: S3 may not write access logs to AccessLogs", "template.yaml: Tiles: S3 may not write access logs to AccessLogs"}},
		spoilt{templateFile, "ServerSideEncryptionByDefault: {SSEAlgorithm: AES256}", "ServerSideEncryptionByDefault: {SSEAlgorithm: aws:kms}",
			[]string{"template.yaml: Artefacts: S3 delivers no access logs to AccessLogs", "template.yaml: Tiles: S3 delivers no access logs to AccessLogs"}},
		spoilt{templateFile, "VisibilityTimeout: 240", "VisibilityTimeout: 30", []string{"template.yaml: JobQueue gives a message out again after 30 seconds; its function needs 240"}},
		spoilt{templateFile, "maxReceiveCount: 5", "maxReceiveCount: 1", []string{"template.yaml: JobQueue gives up after 1 attempts"}},
		spoilt{templateFile, "            BisectBatchOnFunctionError: true\n", "",
			[]string{"template.yaml: Job: a record that fails stops the stream SealsStream or is lost"}},
		spoilt{templateFile, "Stream: !If [SsoRestored, !Ref SsoStream, !GetAtt SsoTable.StreamArn]", "Stream: !If [LicencesRestored, !Ref LicencesStream, !GetAtt LicencesTable.StreamArn]",
			[]string{"template.yaml: !If [LicencesRestored, !Ref LicencesStream, !GetAtt LicencesTable.StreamArn] is read by more than two functions"}},
	)
}
