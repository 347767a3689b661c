import JSON

/// A model as `GET /v1/models` tells of it.
package struct ServedModel: Sendable, Equatable {
  package var id: String
  /// Seconds since 1970 at which it was loaded.
  package var created: Int
  /// Tokens of prompt and reply together.
  package var contextLength: Int

  package init(id: String, created: Int, contextLength: Int) {
    self.id = id
    self.created = created
    self.contextLength = contextLength
  }

  /// The body of `GET /v1/models/ID`.
  package var json: JSONValue {
    [
      "id": .string(id), "object": "model", "created": .int(created), "owned_by": "martinet",
      "max_model_len": .int(contextLength),
    ]
  }
}

extension [ServedModel] {
  /// The body of `GET /v1/models`.
  package var listJSON: JSONValue { ["object": "list", "data": .array(map(\.json))] }
}
