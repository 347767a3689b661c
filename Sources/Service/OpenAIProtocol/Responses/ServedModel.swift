import EngineAPI
import JSON

/// A model as `GET /v1/models` tells of it.
package struct ServedModel: Sendable, Equatable {
  package var id: String
  /// Seconds since 1970 at which it was loaded.
  package var created: Int
  /// Tokens of prompt and reply together.
  package var contextLength: Int

  /// The same time as RFC 3339 writes it.
  package var createdAt: String?
  /// What holds where a request says nothing of how tokens are sampled.
  package var sampling = SamplingOptions()

  package init(id: String, created: Int, contextLength: Int) {
    (self.id, self.created, self.contextLength) = (id, created, contextLength)
  }

  /// The body of `GET /v1/models/ID`: what clients of the OpenAI API read, and of Anthropic's.
  package var json: JSONValue {
    [
      "id": .string(id), "object": "model", "created": .int(created), "owned_by": "martinet",
      "max_model_len": .int(contextLength), "default_sampling": sampling.json, "type": "model",
      "display_name": .string(id), "created_at": createdAt.map { .string($0) } ?? .null,
      "max_input_tokens": .int(contextLength), "max_tokens": .int(contextLength),
    ]
  }
}

extension [ServedModel] {
  /// The body of `GET /v1/models`.
  package var listJSON: JSONValue {
    [
      "object": "list", "data": .array(map(\.json)), "has_more": false,
      "first_id": first.map { .string($0.id) } ?? .null, "last_id": last.map { .string($0.id) } ?? .null,
    ]
  }
}

extension SamplingOptions {
  var json: JSONValue {
    .object(
      JSONObject(
        SamplingParameter.all.map { ($0.name, $0.isCount ? .int(Int(self[$0])) : .double(self[$0])) }))
  }
}
