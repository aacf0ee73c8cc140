package oidctest_test

import (
	"testing"

	"github.com/yinxin/yinxin/shared/oidc/oidctest"
)

func open(*testing.T) oidctest.Store { return oidctest.NewMemory().Store() }

func TestGrants(t *testing.T)   { oidctest.Grants(t, open) }
func TestSessions(t *testing.T) { oidctest.Sessions(t, open) }
func TestClients(t *testing.T)  { oidctest.Clients(t, open) }
func TestConsents(t *testing.T) { oidctest.Consents(t, open) }
func TestReplays(t *testing.T)  { oidctest.Replays(t, open) }
