import Checkpoints
import JSON

extension Quantization {
  /// How the weights are held unless something else is asked for.
  var precision: WeightPrecision {
    if case .martinet(let own) = self { own } else { .auto }
  }
}

/// The `quantization_config` of a folder that `martinet quantize` wrote.
package enum QuantizationSettings {
  static let method = "martinet"
  private static let blockColumns = 64

  /// What is written for `precision`; `float8`: the blocks of FP8 scales in what is left as it was.
  package static func json(_ precision: WeightPrecision, float8 block: Quantization.Block? = nil) -> JSONValue {
    var members: [(String, JSONValue)] = [
      ("quant_method", .string(method)), ("weights", .string(precision.rawValue)), ("block_size", .int(blockColumns)),
    ]
    if let block { members.append(("weight_block_size", .array([.int(block.rows), .int(block.columns)]))) }
    return .object(JSONObject(members))
  }

  static func read(_ config: ConfigReader) throws -> WeightPrecision {
    let weights = try config.string("weights")
    guard let precision = WeightPrecision(rawValue: weights), precision.isQuantized else {
      throw ModelError.unsupported(
        key: "quantization_config.weights", value: weights,
        remedy: "q8 and q4 are; quantise the original checkpoint again")
    }
    let block = try config.int("block_size", in: 1...(1 << 20))
    guard block == blockColumns else {
      throw ModelError.unsupported(
        key: "quantization_config.block_size", value: "\(block)", remedy: "only \(blockColumns) is")
    }
    return precision
  }
}
