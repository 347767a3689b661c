import Foundation
import JSON

/// The body of a response of `POST /v1/embeddings`.
package struct EmbeddingResponse: Sendable {
  package var model: String
  /// How hidden states became vectors.
  package var pooling: String
  package var isNormalized: Bool
  package var encoding: EmbeddingRequest.Encoding
  package var promptTokens: Int

  package init(
    model: String, pooling: String, isNormalized: Bool, encoding: EmbeddingRequest.Encoding, promptTokens: Int
  ) {
    (self.model, self.pooling, self.isNormalized) = (model, pooling, isNormalized)
    (self.encoding, self.promptTokens) = (encoding, promptTokens)
  }

  /// The whole body, written at once: millions of numbers would not fit into memory as JSON values.
  package func text(_ vectors: [[Float]]) -> String {
    let head: JSONValue = [
      "object": "list", "model": .string(model), "pooling": .string(pooling), "normalized": .bool(isNormalized),
    ]
    let usage: JSONValue = ["prompt_tokens": .int(promptTokens), "total_tokens": .int(promptTokens)]
    var text = String(head.text().dropLast())
    text += ",\"data\":["
    for (index, vector) in vectors.enumerated() {
      text += index == 0 ? "" : ","
      text += "{\"object\":\"embedding\",\"index\":\(index),\"embedding\":"
      switch encoding {
      case .float:
        text += "["
        for (i, value) in vector.enumerated() {
          if i > 0 { text += "," }
          text += value.description
        }
        text += "]"
      case .base64: text += "\"\(Self.base64(vector))\""
      }
      text += "}"
    }
    return text + "],\"usage\":\(usage.text())}"
  }

  /// The bytes of `vector`, little-endian, in base64 (RFC 4648).
  static func base64(_ vector: [Float]) -> String {
    let bytes = vector.flatMap { value in
      (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32($0))) }
    }
    return Data(bytes).base64EncodedString()
  }
}
