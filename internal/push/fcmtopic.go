package push

import (
	"context"
	"encoding/json"
	"net/http"

	"regent/internal/fault"
)

// maxTopicBatch is what one request of topic management takes.
const maxTopicBatch = 1000

// manageTopic subscribes tokens to a topic of FCM, or ends that; it returns the
// errors by token. At most maxTopicBatch tokens.
func (f *fcm) manageTopic(ctx context.Context, topic string, tokens []string, subscribe bool) (map[string]string, error) {
	call := "/iid/v1:batchRemove"
	if subscribe {
		call = "/iid/v1:batchAdd"
	}
	body, err := json.Marshal(object{"to": "/topics/" + topic, "registration_tokens": tokens})
	if err != nil {
		return nil, err
	}
	// The service takes OAuth tokens only when this header says so.
	status, _, answer, o := f.post(ctx, f.topicURL+call, body, http.Header{"Access_token_auth": {"true"}})
	if o != nil {
		return nil, fault.New(fault.GCMError, "%s: %s", o.code, o.detail)
	}
	var a struct {
		Error   string `json:"error"`
		Results []struct {
			Error string `json:"error"`
		} `json:"results"`
	}
	err = json.Unmarshal(answer, &a)
	if status != http.StatusOK || err != nil || len(a.Results) != len(tokens) {
		return nil, fault.New(fault.GCMError, "Firebase answered HTTP %d to the change of topic %s: %s", status, topic, a.Error)
	}
	failed := map[string]string{}
	for i, r := range a.Results {
		if r.Error != "" {
			failed[tokens[i]] = r.Error
		}
	}
	return failed, nil
}
