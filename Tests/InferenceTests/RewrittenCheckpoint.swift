import Checkpoints
import Foundation
import JSON
import Tensors
import TestSupport
import Testing

/// A golden's checkpoint to be written anew in another form, with other settings.
struct RewrittenCheckpoint {
  struct Tensor {
    var type: ElementType
    var shape: [Int]
    var bytes: [UInt8]

    init(_ type: ElementType, _ shape: [Int], _ bytes: [UInt8]) {
      self.type = type
      self.shape = shape
      self.bytes = bytes
    }

    /// fp32 values in another type, each of which must hold them exactly.
    init(_ values: [Float], _ shape: [Int], as type: ElementType) {
      self.init(
        type, shape,
        values.flatMap { value -> [UInt8] in
          let bits = value.bitPattern
          switch type {
          case .bfloat16: return [UInt8(truncatingIfNeeded: bits >> 16), UInt8(bits >> 24)]
          case .float16:
            let half = Float16(value).bitPattern
            return [UInt8(truncatingIfNeeded: half), UInt8(half >> 8)]
          case .float8E8M0, .uint8: return [UInt8(truncatingIfNeeded: bits >> 23)]
          default: return (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt32($0))) }
          }
        })
    }

    /// The values of an F32 tensor.
    var floats: [Float] {
      stride(from: 0, to: bytes.count, by: 4).map { at in
        Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[at + $1]) << (8 * UInt32($1)) })
      }
    }
  }

  var tensors: [String: Tensor] = [:]
  var config: JSONObject

  init(config: JSONObject) { self.config = config }

  init(_ golden: Golden) throws { try self.init(try HuggingFaceFolder(path: golden.folder)) }

  init(_ folder: HuggingFaceFolder) throws {
    config = folder.config.object!
    for entry in folder.entries { tensors[entry.name] = Tensor(entry.type, entry.shape, try folder.readAll(entry)) }
  }

  /// Joins the experts of each layer into one tensor for gate and up and one for down; `names`: of a projection's
  /// tensors.
  mutating func fuseExperts(gate: String = "gate_proj", up: String = "up_proj", down: String = "down_proj") {
    let suffix = ".experts.0.\(gate).weight"
    for first in tensors.keys.filter({ $0.hasSuffix(suffix) }) {
      let prefix = String(first.dropLast(suffix.count)) + ".experts"
      var joined: (gateUp: [UInt8], down: [UInt8]) = ([], [])
      var last: (gate: Tensor, down: Tensor)?
      var count = 0
      while let a = tensors.removeValue(forKey: "\(prefix).\(count).\(gate).weight"),
        let b = tensors.removeValue(forKey: "\(prefix).\(count).\(up).weight"),
        let c = tensors.removeValue(forKey: "\(prefix).\(count).\(down).weight")
      {
        joined.gateUp += a.bytes + b.bytes
        joined.down += c.bytes
        last = (a, c)
        count += 1
      }
      guard let last else { continue }
      tensors["\(prefix).gate_up_proj"] = Tensor(
        last.gate.type, [count, 2 * last.gate.shape[0], last.gate.shape[1]], joined.gateUp)
      tensors["\(prefix).down_proj"] = Tensor(last.down.type, [count] + last.down.shape, joined.down)
    }
  }

  /// Puts zeros in the place of a tensor's numbers.
  mutating func zero(_ name: String) throws {
    let tensor = try #require(tensors[name])
    tensors[name] = Tensor(tensor.type, tensor.shape, [UInt8](repeating: 0, count: tensor.bytes.count))
  }

  /// Renames tensors whose name has `part`.
  mutating func rename(_ part: String, to other: String) {
    for name in tensors.keys {
      guard let range = name.firstRange(of: part) else { continue }
      tensors[name.replacingCharacters(in: range, with: other)] = tensors.removeValue(forKey: name)
    }
  }

  /// Changes each FP8 tensor's scales, `[rows, columns]` blocks of 128.
  mutating func rescale(
    _ change: (_ name: String, _ weights: Tensor, _ scales: [Float], _ shape: [Int]) -> [(String, Tensor)]
  ) {
    let suffix = "_scale_inv"
    for name in tensors.keys.filter({ $0.hasSuffix(suffix) }) {
      let weights = String(name.dropLast(suffix.count))
      guard let scales = tensors.removeValue(forKey: name), let tensor = tensors[weights] else { continue }
      for (name, tensor) in change(weights, tensor, scales.floats, scales.shape) { tensors[name] = tensor }
    }
  }

  /// Writes it as one file and calls `body` with the folder.
  func written<Result>(_ body: (String) throws -> Result) throws -> Result {
    try withTemporaryFolder { folder in
      folder.write(JSONValue.object(config).text(), as: "config.json")
      let names = tensors.keys.sorted()
      let writer = try SafetensorsWriter(
        path: folder.file("model.safetensors"), tensors: names.map { .init($0, tensors[$0]!.type, tensors[$0]!.shape) })
      for name in names { try writer.append(name, tensors[name]!.bytes) }
      try writer.finish()
      return try body(folder.path)
    }
  }
}
