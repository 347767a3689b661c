import Checkpoints

/// How prediction modules are called that a family keeps beside the model's layers, under `mtp.`, and not after them.
struct OuterModules: Sendable {
  /// What names of their layers have in the place of `model.layers.`.
  let start: String
  /// Whether copies of the model's embedding and head may lie there, too, or whatever else; where they may not, the
  /// module takes the model's own and nothing else lies there.
  let holdsCopies: Bool
  /// How their experts lie, where that is not as the model's do.
  var experts: PublishedNames.ExpertLayout? = nil
  /// The layer that is the first of them.
  var firstLayer = 0

  /// DeepSeek-V4's: `mtp.{n}.`.
  static let numbered = OuterModules(start: "mtp.", holdsCopies: true)
  /// Those of Qwen3-Next and Qwen3.5: `mtp.layers.{n}.`, and what joins these to the model under `mtp.`, once for all.
  static let layered = OuterModules(start: "mtp.layers.", holdsCopies: false)
}

extension PublishedNames {
  /// Of what is in a prediction module beside the model's layers; nil for all else.
  func outerName(_ id: ParameterID) -> String? {
    guard let outerModules, let layer = id.layer, layer >= outerModules.firstLayer else { return nil }
    var own = id
    own.layer = layer - outerModules.firstLayer
    let name = named(own, layout(of: id))
    return DottedName(name).after("model.layers").map { outerModules.start + $0 } ?? name
  }

  /// How the experts of a parameter's layer lie.
  func layout(of id: ParameterID) -> ExpertLayout {
    guard let outerModules, let layer = id.layer, layer >= outerModules.firstLayer else { return experts }
    return outerModules.experts ?? experts
  }

  /// These names, with prediction modules beside the model's layers.
  func predicting(_ modules: OuterModules) -> PublishedNames {
    var names = self
    names.outerModules = modules
    return names
  }

  /// These names, with the experts of such modules so.
  func predicting(experts: ExpertLayout) -> PublishedNames {
    var names = self
    names.outerModules?.experts = experts
    return names
  }

  /// These names, with modules that follow the last of `description`'s layers.
  func placingModules(of description: DecoderDescription) -> PublishedNames {
    guard var modules = outerModules else { return self }
    modules.firstLayer = description.layerCount
    var names = predicting(modules)
    guard !modules.holdsCopies, let embedding = templates[.embedding], let head = templates[.head] else { return names }
    names.templates[.prediction(.embedding)] = embedding
    names.templates[.prediction(.head)] = description.tiedEmbeddings ? embedding : head
    return names
  }

  /// These names, with the experts of such modules as a checkpoint has them: in some they lie otherwise than the
  /// model's.
  func fittingModules(of description: DecoderDescription, in checkpoint: any Checkpoint) -> PublishedNames {
    guard let layer = outerModules?.firstLayer, description.layer(layer).isMoE else { return self }
    let fused = predicting(experts: .fused)
    let gate = ParameterID(.feedForward(.expert, .gate), layer: layer, expert: 0)
    return checkpoint.holds(fused.tensor(gate)) ? fused : predicting(experts: .separate)
  }

  /// Whether what lies under such a number is a module of the family's, as far as it can be told from those of another
  /// kind under the same names.
  func isModule(_ number: Int, in checkpoint: any Checkpoint) -> Bool {
    guard let outerModules, (0..<ConfigurationBounds.layers.upperBound).contains(number) else { return false }
    let projection = ParameterID(.prediction(.projection), layer: outerModules.firstLayer + number)
    return !outerModules.holdsCopies || checkpoint.holds(tensor(projection))
  }

  /// Whether a tensor lies where only the first module beside the model's layers may have some.
  func isInFirstModule(_ tensor: String) -> Bool {
    guard let outerModules, !outerModules.holdsCopies, Self.isOuterPrediction(tensor) else { return false }
    return Self.outerPredictionLayer(tensor) ?? 0 == 0
  }

  /// Whether a tensor is a part of the multi-token prediction that some families keep beside their layers.
  static func isOuterPrediction(_ tensor: String) -> Bool { tensor.utf8.starts(with: "mtp.".utf8) }

  /// Which of its layers a tensor belongs to, by `mtp.layers.{n}.` or `mtp.{n}.`; nil for one that is in none.
  static func outerPredictionLayer(_ tensor: String) -> Int? {
    for layers in ["mtp.layers.", "mtp."] where tensor.utf8.starts(with: layers.utf8) {
      return Int(Substring(tensor.utf8.dropFirst(layers.utf8.count).prefix { $0 != UInt8(ascii: ".") }))
    }
    return nil
  }
}
