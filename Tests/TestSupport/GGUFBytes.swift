/// A GGUF file put together by hand: well formed unless it is told otherwise.
package struct GGUFBytes {
  package enum Value {
    case uint16(UInt16), uint32(UInt32), int32(Int32), uint64(UInt64)
    case float32(Float)
    case bool(Bool)
    case string(String)
    case strings([String])
    case int32s([Int32])
    case float32s([Float])
    /// A type's number and what follows it.
    case raw(UInt32, [UInt8])
  }

  package struct Tensor {
    package var name: String
    /// Slowest dimension first; the file has them the other way round.
    package var shape: [UInt64]
    /// GGML's number.
    package var type: UInt32
    package var bytes: [UInt8]
    /// In place of where its data are.
    package var offset: UInt64?

    package init(_ name: String, _ shape: [Int], type: UInt32 = 0, _ bytes: [UInt8]) {
      (self.name, self.shape, self.type, self.bytes) = (name, shape.map { UInt64($0) }, type, bytes)
    }

    /// F32 numbers.
    package init(_ name: String, _ shape: [Int], floats: [Float]) {
      self.init(name, shape, floats.flatMap { GGUFBytes.little($0.bitPattern) })
    }
  }

  package var magic = Array("GGUF".utf8)
  package var version: UInt32 = 3
  package var alignment = 32
  package var keys: [(name: String, value: Value)] = []
  package var tensors: [Tensor] = []
  /// In place of how many there are.
  package var tensorCount: UInt64?
  package var keyCount: UInt64?

  package init() {}

  package subscript(name: String) -> Value? {
    get { keys.first { $0.name == name }?.value }
    set {
      keys.removeAll { $0.name == name }
      if let newValue { keys.append((name, newValue)) }
    }
  }

  package var bytes: [UInt8] {
    var out = magic + Self.little(version)
    out += Self.little(tensorCount ?? UInt64(tensors.count)) + Self.little(keyCount ?? UInt64(keys.count))
    for (name, value) in keys { out += Self.string(name) + Self.value(value) }
    var data: [UInt8] = []
    for tensor in tensors {
      data += padding(data.count)
      out += Self.string(tensor.name) + Self.little(UInt32(tensor.shape.count))
      for dimension in tensor.shape.reversed() { out += Self.little(dimension) }
      out += Self.little(tensor.type) + Self.little(tensor.offset ?? UInt64(data.count))
      data += tensor.bytes
    }
    return out + padding(out.count) + data
  }

  private func padding(_ count: Int) -> [UInt8] {
    [UInt8](repeating: 0, count: (alignment - count % alignment) % alignment)
  }

  package static func little<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  package static func string(_ text: String) -> [UInt8] { little(UInt64(text.utf8.count)) + Array(text.utf8) }

  private static func value(_ value: Value) -> [UInt8] {
    func array(_ type: UInt32, _ count: Int, _ elements: [UInt8]) -> [UInt8] {
      little(UInt32(9)) + little(type) + little(UInt64(count)) + elements
    }
    switch value {
    case .uint16(let value): return little(UInt32(2)) + little(value)
    case .uint32(let value): return little(UInt32(4)) + little(value)
    case .int32(let value): return little(UInt32(5)) + little(value)
    case .float32(let value): return little(UInt32(6)) + little(value.bitPattern)
    case .bool(let value): return little(UInt32(7)) + [value ? 1 : 0]
    case .string(let text): return little(UInt32(8)) + string(text)
    case .uint64(let value): return little(UInt32(10)) + little(value)
    case .strings(let texts): return array(8, texts.count, texts.flatMap(string))
    case .int32s(let values): return array(5, values.count, values.flatMap { little($0) })
    case .float32s(let values): return array(6, values.count, values.flatMap { little($0.bitPattern) })
    case .raw(let type, let bytes): return little(type) + bytes
    }
  }
}

extension GGUFBytes {
  /// A model of the `llama` architecture: one layer, four tokens, two heads of four; numbers count up from 0.
  package static var tinyLlama: GGUFBytes {
    var file = GGUFBytes()
    file["general.architecture"] = .string("llama")
    file["llama.block_count"] = .uint32(1)
    file["llama.context_length"] = .uint32(64)
    file["llama.embedding_length"] = .uint32(8)
    file["llama.feed_forward_length"] = .uint32(12)
    file["llama.attention.head_count"] = .uint32(2)
    file["llama.attention.head_count_kv"] = .uint32(1)
    file["llama.attention.layer_norm_rms_epsilon"] = .float32(1e-5)
    func add(_ name: String, _ shape: [Int]) {
      let count = shape.reduce(1, *)
      file.tensors.append(Tensor(name, shape, floats: (0..<count).map { Float($0) }))
    }
    add("token_embd.weight", [4, 8])
    add("output_norm.weight", [8])
    for name in ["attn_norm", "ffn_norm"] { add("blk.0.\(name).weight", [8]) }
    for (name, rows) in [("attn_q", 8), ("attn_k", 4), ("attn_v", 4), ("attn_output", 8)] {
      add("blk.0.\(name).weight", [rows, 8])
    }
    add("blk.0.ffn_gate.weight", [12, 8])
    add("blk.0.ffn_up.weight", [12, 8])
    add("blk.0.ffn_down.weight", [8, 12])
    return file
  }

  /// The same as a model of another architecture, whose settings speak of experts, heads' sizes and a scaling.
  package func renamed(_ architecture: String) -> GGUFBytes {
    var file = self
    file.keys = keys.map { (key, value) in
      key.hasPrefix("llama.") ? ("\(architecture).\(key.dropFirst(6))", value) : (key, value)
    }
    file["general.architecture"] = .string(architecture)
    let counts: [(String, UInt32)] = [
      ("expert_count", 4), ("expert_used_count", 2), ("expert_feed_forward_length", 6), ("attention.key_length", 4),
      ("leading_dense_block_count", 0),
    ]
    for (key, count) in counts { file["\(architecture).\(key)"] = .uint32(count) }
    return file
  }
}
