import JSON

/// What one host has of the model.
package struct ModelFacts: Sendable, Equatable {
  package var path: String
  /// Of configuration, index and headers: "name=digest", parted by blanks; empty where the folder cannot be read.
  package var fingerprint: String
  package var family: String
  /// Layers that have experts.
  package var expertLayerCount: Int
  /// Of its weights, as they are stored.
  package var byteCount: Int
  /// What of it ranks have compared with each other; nil where each host was asked alone.
  package var comparison: String?
  /// Why it cannot be run; nil where nothing stands against it.
  package var failure: String?

  package init(
    path: String, fingerprint: String = "", family: String = "", expertLayerCount: Int = 0, byteCount: Int = 0,
    failure: String? = nil
  ) {
    (self.path, self.fingerprint, self.family) = (path, fingerprint, family)
    (self.expertLayerCount, self.byteCount, self.failure) = (expertLayerCount, byteCount, failure)
  }

  var json: JSONValue {
    [
      "path": .string(path), "fingerprint": .string(fingerprint), "family": .string(family),
      "expert_layers": .int(expertLayerCount), "bytes": .int(byteCount),
      "comparison": comparison.map { .string($0) } ?? .null,
      "failure": failure.map { .string($0) } ?? .null,
    ]
  }

  init(json: JSONValue) throws(MalformedFacts) {
    path = try json.text("path")
    fingerprint = try json.text("fingerprint")
    family = try json.text("family")
    expertLayerCount = try json.count("expert_layers")
    byteCount = try json.count("bytes")
    comparison = json["comparison"]?.string
    failure = json["failure"]?.string
  }
}
