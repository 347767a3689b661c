import JSON

/// Parameters that a token meets, by part of the model, and rows that ranks exchange: what a measured time is scaled by
/// for another model.
package struct ModelWork: Sendable, Equatable {
  package var attention = 0
  /// Of these, what a layer's input meets, and what attention's values meet; in latent attention the rest meets
  /// latents. 0 where that is not known.
  package var attentionEntry = 0
  package var attentionOutput = 0
  package var router = 0
  /// Of one routed expert, the shared expert, and one dense layer.
  package var expert = 0
  package var shared = 0
  package var dense = 0
  package var head = 0
  package var hiddenSize = 0
  package var layers = 0
  package var moeLayers = 0
  /// Of these layers, those of multi-token prediction modules.
  package var modules = 0
  /// How often a step meets the head for them, and what joins them to the model: once for each, and once for all that
  /// draft blocks together.
  package var moduleHeads = 0
  /// Parameters of what joins them to the model.
  package var moduleInput = 0
  /// What ranks tell each other for a token where they share out every matrix; empty where that is not known, or cannot
  /// be.
  package var exchanges: [RowExchange] = []

  package init() {}

  /// Counts that a report tells are below this.
  private static let most = 1 << 50

  /// Parameters of what joins a module to the model that reads an embedding beside a hidden state,
  /// `[hidden, 2 · hidden]`.
  package var plainModuleInput: Int {
    let (count, overflows) = hiddenSize.multipliedReportingOverflow(by: 2 * hiddenSize)
    return overflows ? Self.most - 1 : min(count, Self.most - 1)
  }

  private static var fields: [(String, WritableKeyPath<ModelWork, Int>)] {
    [
      ("attention", \.attention), ("router", \.router), ("expert", \.expert), ("shared", \.shared), ("dense", \.dense),
      ("head", \.head), ("hidden_size", \.hiddenSize), ("layers", \.layers), ("mixture_layers", \.moeLayers),
    ]
  }

  private static var attentionParts: [(String, WritableKeyPath<ModelWork, Int>)] {
    [("attention_entry", \.attentionEntry), ("attention_output", \.attentionOutput)]
  }

  package var json: JSONValue {
    var object = JSONObject(Self.fields.map { ($0, .int(self[keyPath: $1])) })
    object["modules"] = .int(modules)
    (object["module_heads"], object["module_input"]) = (.int(moduleHeads), .int(moduleInput))
    for (name, part) in Self.attentionParts { object[name] = .int(self[keyPath: part]) }
    if !exchanges.isEmpty { object["exchanges"] = .array(exchanges.map(\.json)) }
    return .object(object)
  }

  package init(json: JSONValue) throws(MalformedAccount) {
    for (name, field) in Self.fields { self[keyPath: field] = try json.count(name, below: Self.most) }
    // None of these is in reports of before they were told.
    for (name, part) in Self.attentionParts where json[name] != nil {
      self[keyPath: part] = try json.count(name, below: Self.most)
    }
    if json["modules"] != nil { modules = try json.count("modules", below: 1 << 10) }
    // Reports of before did not tell these, of modules as there were then.
    moduleHeads = json["module_heads"] == nil ? modules : try json.count("module_heads", below: 1 << 10)
    moduleInput =
      json["module_input"] == nil
      ? modules > 0 ? plainModuleInput : 0 : try json.count("module_input", below: Self.most)
    guard let told = json["exchanges"] else { return }
    guard let list = told.array, list.count <= 1 << 10 else {
      throw MalformedAccount(reason: "its \"exchanges\" are no list of at most 1024")
    }
    for exchange in list { exchanges.append(try RowExchange(json: exchange)) }
  }
}
