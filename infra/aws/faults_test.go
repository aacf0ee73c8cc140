package aws_test

// refusedAbsent is how DynamoDB refuses a condition on an item that is not there.
const refusedAbsent = `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed"}`
