import Checkpoints
import MoEModel
import Tensors

/// What a checkpoint of a training is made of, and in which order its numbers are asked for.
///
/// Every rank that has the same model and optimiser makes the same plan: one writes, and others, which hold parts of
/// the numbers, walk `requests` beside it.
package struct SavePlan: Sendable {
  /// Some elements of one part of a parameter.
  package struct Request: Sendable, Equatable {
    package let parameter: ParameterSpec
    package let part: StatePart
    /// Counted row after row.
    package let elements: Range<Int>
  }

  /// A parameter that has numbers of its own, and where the export has it.
  struct Parameter: Sendable {
    let spec: ParameterSpec
    let name: String
    let rule: UpdateRule
    let places: [TensorPlace]
    /// What the export keeps it in.
    var type: ElementType { SavePlan.type(of: spec) }
  }

  /// Elements asked for at once.
  package static let pieceLength = 4 << 20

  package let optimizer: OptimizerKind
  let predicts: Bool
  let parameters: [Parameter]
  /// Tensors of the export, by published names.
  let exported: [SafetensorsWriter.Declaration]
  /// Tensors of the state, in the order of requests.
  let state: [SafetensorsWriter.Declaration]

  /// `predicts`: with the multi-token prediction modules of the description.
  package init(_ description: DecoderDescription, optimizer: OptimizerKind, predicts: Bool) {
    self.optimizer = optimizer
    self.predicts = predicts
    let table = ParameterTable(description, predicts: predicts)
    let names = ParameterNames(description)
    let experts = description.moe?.expertCount ?? 0
    var order: [ParameterSpec] = []
    var places: [ParameterID: [TensorPlace]] = [:]
    var exported: [SafetensorsWriter.Declaration] = []
    var seen: Set<String> = []
    for spec in table {
      let place = description.names.place(of: spec, expertCount: experts)
      if seen.insert(place.name).inserted {
        exported.append(.init(place.name, Self.type(of: spec), place.shape(of: spec)))
      }
      let holder = table.holder(of: spec.id)
      if places[holder] == nil {
        // What is listed before its holder is of the holder's shape.
        var own = spec
        own.id = holder
        order.append(own)
      }
      // What a module shares may lie nowhere else.
      if places[holder]?.contains(place) != true { places[holder, default: []].append(place) }
    }
    parameters = order.map {
      Parameter(spec: $0, name: names.name(of: $0.id), rule: optimizer.rule(of: $0), places: places[$0.id] ?? [])
    }
    self.exported = exported
    state = parameters.flatMap { parameter in
      parameter.rule.parts.map { .init("\(parameter.name).\($0.rawValue)", .float32, parameter.spec.shape) }
    }
  }

  private static func type(of spec: ParameterSpec) -> ElementType { spec.role.publishedType ?? .bfloat16 }

  /// All that is asked for, in order.
  package var requests: some Sequence<Request> {
    parameters.lazy.flatMap { parameter in
      parameter.rule.parts.lazy.flatMap { part in Self.pieces(of: parameter.spec, part) }
    }
  }

  static func pieces(of spec: ParameterSpec, _ part: StatePart) -> [Request] {
    stride(from: 0, to: spec.elementCount, by: pieceLength).map {
      Request(parameter: spec, part: part, elements: $0..<min($0 + pieceLength, spec.elementCount))
    }
  }

  /// Bytes of the tensors that are exported, and of those of the state.
  package var exportedByteCount: Int { Self.byteCount(exported) }
  package var stateByteCount: Int { Self.byteCount(state) }

  private static func byteCount(_ tensors: [SafetensorsWriter.Declaration]) -> Int {
    tensors.reduce(0) { $0 + $1.shape.reduce($1.type.byteCount, *) }
  }
}

/// Who has the numbers of a training: a rank's own memory, or the ranks together.
package protocol ParameterSource {
  /// Fills `buffer` with what was asked for, fp32. Called for each request of a plan, in their order.
  func read(_ request: SavePlan.Request, into buffer: UnsafeMutableBufferPointer<Float>) throws
}
