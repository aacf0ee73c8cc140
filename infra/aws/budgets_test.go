package aws_test

import (
	"testing"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/access/accesstest"
)

func TestBudgetsKeepTheContract(t *testing.T) {
	accesstest.Budgets(t, func(t *testing.T) (access.Budgets, func(time.Time)) {
		db, _, set := open(t, accesstest.BudgetsBegin)
		return aws.Budgets{DB: db}, set
	})
}
