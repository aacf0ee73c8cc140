package embedded

import (
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/access/accesstest"
)

func TestBudgetsKeepTheContract(t *testing.T) {
	accesstest.Budgets(t, func(t *testing.T) (access.Budgets, func(time.Time)) {
		db, set := openAt(t, accesstest.BudgetsBegin)
		return Budgets{db}, set
	})
}
