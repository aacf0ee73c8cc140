// Command empty is a function that does nothing: what the others are measured against.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() { lambda.Start(func(context.Context, struct{}) error { return nil }) }
