import JSON

/// The tensors of a model's GGUF files under their published names: stacked experts cut apart, each a range of its
/// tensor.
struct GGUFEntries {
  /// File after file, each in the order of its data.
  private(set) var entries: [TensorEntry] = []
  private(set) var positions: [ExactString: Int] = [:]
  /// How rows of queries and keys are turned, by name; empty where they lie as published.
  private(set) var turns: [ExactString: HeadTurn] = [:]
  /// In which order units lie, by name, where that is not the published one.
  var orders: [ExactString: UnitOrder] = [:]

  private let names: GGUFNames
  /// Of gated DeltaNet; nil without such layers.
  let sizes: DeltaTensors.Sizes?
  /// Queries, keys, values and gates are in one tensor, as published: the form of the first files of Qwen3-Next.
  let joinsGates: Bool
  /// Layers of the model itself.
  private let layerCount: Int
  private let heads: (query: Int, key: Int)
  private let limits: CheckpointLimits

  /// `config`: the model's, for its heads.
  init(_ files: [GGUFFile], names: GGUFNames, config: JSONObject, limits: CheckpointLimits) throws(CheckpointError) {
    self.names = names
    self.limits = limits
    sizes = DeltaTensors.Sizes(config)
    joinsGates = files.contains { $0.header.tensors.contains { DottedName($0.name).ends(in: "ssm_in.weight") } }
    layerCount = config["num_hidden_layers"]?.exactInt ?? 0
    let queries = config["num_attention_heads"]?.exactInt ?? 1
    heads = (queries, config["num_key_value_heads"]?.exactInt ?? queries)
    var split: Set<ExactString> = []
    for file in files {
      for tensor in file.header.tensors {
        if let layer = DottedName(tensor.name).before("attn_k_b.weight") { split.insert(ExactString(String(layer))) }
      }
    }
    for (index, file) in files.enumerated() {
      for tensor in file.header.tensors where tensor.name != GGUFCheckpoint.frequencies {
        // Some files have the up-projection of keys and values in both forms.
        if let layer = DottedName(tensor.name).before("attn_kv_b.weight"), split.contains(ExactString(String(layer))) {
          continue
        }
        try add(tensor, file, index)
      }
    }
  }

  private mutating func add(_ tensor: GGUFTensor, _ file: GGUFFile, _ fileIndex: Int) throws(CheckpointError) {
    func problem(_ problem: GGUFProblem) -> CheckpointError { .gguf(path: file.path, byte: nil, problem) }
    guard let type = tensor.type.elementType else {
      throw problem(.unsupportedType(tensor: tensor.name, type: tensor.type.name))
    }
    let whole = TensorEntry(
      name: tensor.name, type: type, shape: tensor.shape, fileIndex: fileIndex, byteOffset: tensor.byteOffset,
      byteCount: tensor.byteCount)
    switch names.target(of: tensor.name, layerCount: layerCount) {
    case .delta(let name, let part):
      if let delta = names.delta { try add(whole, name, part, delta, file) }
    case .tensor(let name): try append(whole.part(name), file)
    case .row(let name):
      let shape = tensor.shape.count == 1 ? [1] + tensor.shape : tensor.shape
      try append(whole.part(name, shape: shape), file)
    case .turned(let name, let isQuery):
      let count = isQuery ? heads.query : heads.key
      guard let turn = HeadTurn(rows: tensor.shape[0], heads: count, byteCount: tensor.byteCount) else {
        throw problem(
          .shape(
            tensor: tensor.name, found: tensor.shape, expected: "an even number of rows for each of \(count) heads"))
      }
      turns[ExactString(name)] = turn
      try append(whole.part(name), file)
    case .experts(let before, let after):
      try makeRoom(for: tensor, parts: tensor.shape[0], file)
      for expert in 0..<tensor.shape[0] {
        try append(whole.part("\(before)\(expert)\(after)", expert, of: tensor.shape[0]), file)
      }
    case .gateAndUp(let before, let gate, let up):
      // The halves of biases in blocks are whole blocks.
      let unit = tensor.shape.count == 2 ? 2 * tensor.type.blockSize : 2
      guard tensor.shape.count >= 2, tensor.shape[1] % unit == 0 else {
        throw problem(
          .shape(tensor: tensor.name, found: tensor.shape, expected: "an even number of rows for each expert"))
      }
      try makeRoom(for: tensor, parts: 2 * tensor.shape[0], file)
      for expert in 0..<tensor.shape[0] {
        let both = whole.part("", expert, of: tensor.shape[0])
        for (half, name) in [gate, up].enumerated() {
          let shape = [both.shape[0] / 2] + both.shape.dropFirst()
          try append(
            both.part("\(before)\(expert)\(name)", shape: shape, at: half * both.byteCount / 2, both.byteCount / 2),
            file)
        }
      }
    }
  }

  /// Throws where a tensor of that many parts would make too many.
  private func makeRoom(for tensor: GGUFTensor, parts: Int, _ file: GGUFFile) throws(CheckpointError) {
    guard tensor.shape.count >= 2 else {
      throw .gguf(
        path: file.path, byte: nil,
        .shape(tensor: tensor.name, found: tensor.shape, expected: "a dimension of experts before the others"))
    }
    guard parts <= limits.tensorCount - entries.count else {
      throw .tooMany(path: file.path, what: "tensors", limit: limits.tensorCount)
    }
  }

  mutating func append(_ entry: TensorEntry, _ file: GGUFFile) throws(CheckpointError) {
    guard positions.updateValue(entries.count, forKey: ExactString(entry.name)) == nil else {
      throw .gguf(path: file.path, byte: nil, .repeated("the tensor", name: entry.name))
    }
    entries.append(entry)
  }
}

extension TensorEntry {
  /// The same bytes, or some of them, under another name.
  func part(_ name: String, shape: [Int]? = nil, at offset: Int = 0, _ count: Int? = nil) -> TensorEntry {
    TensorEntry(
      name: name, type: type, shape: shape ?? self.shape, fileIndex: fileIndex, byteOffset: byteOffset + offset,
      byteCount: count ?? byteCount)
  }

  /// One of the `count` matrices that the first dimension counts.
  fileprivate func part(_ name: String, _ index: Int, of count: Int) -> TensorEntry {
    part(name, shape: Array(shape.dropFirst()), at: index * (byteCount / count), byteCount / count)
  }
}
