import Checkpoints
import JSON
import Kernels
import Tensors

/// Which tensors of a checkpoint a model reads.
struct TensorUse {
  private var used: Set<ExactString> = []
  /// How many matrices of each form are rounded as they are read, where they would be held as stored: no matrix is held
  /// in it.
  private(set) var roundedForms: [String: Int] = [:]
  /// The same of matrices that are rounded because others are integers: in blocks, or experts that take one form of
  /// rows.
  private(set) var roundedBesideIntegers: [String: Int] = [:]
  /// The modules of indexers that the configuration says are not asked: their layers attend to what another's chose.
  private let unasked: Set<ExactString>
  /// What is added to the scores of routers that are not asked, where experts follow from a token's id; and, of
  /// DeepSeek-V4 that sees images, what is added to scores for those.
  private let unaskedBiases: Set<ExactString>
  /// Scales of inputs of stacked tensors, which are called after these: inputs are not rounded here.
  private var inputScales: Set<ExactString> = []
  /// Whether some of them are integers, or FP4 that is held as such.
  private(set) var findsIntegers = false

  /// Of all parameters, or of one layer's. Throws on the first tensor that is missing or has the wrong shape.
  init(_ description: DecoderDescription, layer: Int? = nil, checkpoint: any Checkpoint) throws {
    unasked = Set(
      description.layers.indices.flatMap { layer -> [ExactString] in
        guard case .latent(let latent) = description.layers[layer].attention, latent.indexer?.isShared == true
        else { return [] }
        return ParameterRole.ofIndexer.map { Self.module(description.names.tensor(ParameterID($0, layer: layer))) }
      })
    unaskedBiases = Set(
      (Array(description.layers.indices) + (layer.map { [$0] } ?? [])).flatMap { layer -> [ExactString] in
        let bias = description.names.tensor(ParameterID(.selectionBias, layer: layer))
        let ofImages = ExactString("\(bias)_vl")
        return description.layer(layer).routesByToken ? [ExactString(bias), ofImages] : [ofImages]
      })
    let parameters = StoredParameters(description, checkpoint: checkpoint, workerCount: 1)
    if let layer {
      for spec in description.parameters(ofLayer: layer) where parameters.table.holder(of: spec.id) == spec.id {
        take(spec, try parameters.find(spec), of: parameters)
      }
    } else {
      try parameters.walk { take($0, $1, of: parameters) }
    }
  }

  private mutating func take(_ spec: ParameterSpec, _ found: StoredParameter, of parameters: StoredParameters) {
    switch found {
    case .matrices(let sources):
      noteInputScales(of: spec, parameters)
      let besideIntegers = parameters.precision == .auto && (parameters.hasBlocks || spec.expert != nil)
      if spec.use != .choice { count(sources, besideIntegers: besideIntegers) }
      // Those of heads are of one tensor, or of two: the first half and the second.
      for source in Set([0, sources.count / 2]).sorted().map({ sources[$0] }) {
        used.insert(ExactString(source.entry.name))
        if source.isOfIntegers { findsIntegers = true }
        for scales in source.storedScales { used.insert(ExactString(scales.entry.name)) }
      }
    case .vector(let source): used.insert(ExactString(source.entry.name))
    }
  }

  /// Stacked tensors have no `.weight` at their end that an `.input_scale` could take the place of.
  private mutating func noteInputScales(of spec: ParameterSpec, _ parameters: StoredParameters) {
    guard spec.expert == 0 else { return }
    let name = parameters.tensor(of: spec)
    guard DottedName(name).last != "weight" else { return }
    for ending in ["_input_scale", "_activation_scale"] { inputScales.insert(ExactString(name + ending)) }
  }

  /// Counts a matrix that is rounded though it should be held as stored.
  private mutating func count(_ sources: [MatrixSource], besideIntegers: Bool) {
    if let form = sources.lazy.compactMap(\.roundedForm).first {
      roundedForms[form, default: 0] += 1
    } else if besideIntegers, let format = sources.lazy.compactMap(\.roundedFormat).first {
      roundedBesideIntegers[format.name, default: 0] += 1
    }
  }

  /// Tensors that nobody reads and that could matter.
  func unread(in checkpoint: any Checkpoint) -> [TensorEntry] {
    checkpoint.entries.filter {
      let name = ExactString($0.name)
      return !used.contains(name) && !unaskedBiases.contains(name) && !inputScales.contains(name)
        && !Self.isHarmless($0) && !unasked.contains(Self.module($0.name))
    }
  }

  /// What a tensor is of: its name without what follows the last dot, so that scales go with their weights.
  private static func module(_ name: String) -> ExactString {
    ExactString(name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name)
  }

  /// What checkpoints hold beside weights: buffers that follow from the configuration, masks, and scales of inputs and
  /// of the attention cache, which are not rounded here.
  private static func isHarmless(_ entry: TensorEntry) -> Bool {
    if entry.type == .bool || entry.byteCount == 0 { return true }
    let name = DottedName(entry.name)
    if ["rotary_emb", "rotary_pos_emb", "rope"].contains(where: name.contains) { return true }
    let buffers: Set<Substring> = [
      "masked_bias", "inv_freq", "cos_cached", "sin_cached", "position_ids", "input_scale", "output_scale",
      "activation_scale", "input_activation_scale", "k_scale", "v_scale", "q_scale", "kv_scale", "prob_scale",
      "k_zero_point", "v_zero_point", "input_zero_point", "input_global_scale",
    ]
    // GPT-2's causal mask: a square that is no projection's bias.
    return buffers.contains(name.last) || name.last == "bias" && entry.shape.count == 4
  }
}
