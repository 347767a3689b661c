import JSON

/// Parameters that a token meets, by part of the model: what a measured time is scaled by for another model.
package struct ModelWork: Sendable, Equatable {
  package var attention = 0
  package var router = 0
  /// Of one routed expert, the shared expert, and one dense layer.
  package var expert = 0
  package var shared = 0
  package var dense = 0
  package var head = 0
  package var hiddenSize = 0
  package var layers = 0
  package var mixtureLayers = 0

  package init() {}

  private static var fields: [(String, WritableKeyPath<ModelWork, Int>)] {
    [
      ("attention", \.attention), ("router", \.router), ("expert", \.expert), ("shared", \.shared), ("dense", \.dense),
      ("head", \.head), ("hidden_size", \.hiddenSize), ("layers", \.layers), ("mixture_layers", \.mixtureLayers),
    ]
  }

  package var json: JSONValue { .object(JSONObject(Self.fields.map { ($0, .int(self[keyPath: $1])) })) }

  package init(json: JSONValue) throws(MalformedAccount) {
    for (name, field) in Self.fields { self[keyPath: field] = try json.count(name, below: 1 << 50) }
  }
}
