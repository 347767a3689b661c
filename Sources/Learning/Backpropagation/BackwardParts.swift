import Gradients
import Kernels
import Machine
import MoEModel
import Telemetry
import Tensors

/// What the backward passes of all layers share: the gradient of the residual stream, and the norm before each half of
/// a layer.
final class BackwardParts {
  let values: any ParameterValues
  let gradients: LeafGradients
  let compute: GradientCompute
  let phases: PhaseRecorder?
  private let hiddenSize: Int
  private let epsilon: Float
  private let streamRows: RowStorage<Float>
  /// Of several residual streams; without columns where there is one.
  private let streamsRows: RowStorage<Float>
  private let normedRows: RowStorage<Float>
  private let normedGradientRows: RowStorage<Float>
  private var layerRows: [RowsKey: RowStorage<Float>] = [:]
  private let normScratch = NormBackward.Scratch()
  private(set) var rowCount = 0
  private(set) var angles: RotaryTape?
  /// Of layers that attend to entries of several tokens: their own, or those of all layers.
  private(set) var entryAngles: RotaryTape?

  init(
    _ description: DecoderDescription, values: any ParameterValues, gradients: LeafGradients, compute: GradientCompute,
    phases: PhaseRecorder? = nil
  ) {
    (self.values, self.gradients, self.compute, self.phases) = (values, gradients, compute, phases)
    (hiddenSize, epsilon) = (description.hiddenSize, description.normEpsilon)
    streamRows = RowStorage(columns: hiddenSize)
    if case .hyper(let shape) = description.residual {
      streamsRows = RowStorage(columns: shape.streams * hiddenSize)
    } else {
      streamsRows = RowStorage(columns: 0)
    }
    normedRows = RowStorage(columns: hiddenSize)
    normedGradientRows = RowStorage(columns: hiddenSize)
  }

  func begin(rows: Int, _ angles: RotaryTape, entries entryAngles: RotaryTape? = nil) {
    (rowCount, self.angles, self.entryAngles) = (rows, angles, entryAngles ?? angles)
    for storage in [streamRows, streamsRows, normedRows, normedGradientRows] { storage.reserve(rows: rows) }
    compute.reserve(tokens: gradients.longestSequence)
  }

  /// The gradient by the residual stream, `[rows, hidden]`: of the layer's output until the layer is done, then of its
  /// input. Of several streams it is that by what half a layer gives, and then by what it read (`StreamBackward`).
  var stream: MatrixView<Float> { streamRows.view(rows: rowCount) }
  /// The gradient by several streams, `[rows, streams · hidden]`.
  var streams: MatrixView<Float> { streamsRows.view(rows: rowCount) }
  private var hasStreams: Bool { streamsRows.columns > 0 }
  /// A layer's input after its norm, `[rows, hidden]`, and the gradient by it.
  var normed: MatrixView<Float> { normedRows.view(rows: rowCount) }
  var normedGradient: MatrixView<Float> { normedGradientRows.view(rows: rowCount) }

  /// Rows that a layer works with. Layers share them: one is at work at a time, and leaves nothing there that another
  /// needs.
  enum Purpose: Hashable {
    case query, keyValue, output, expanded, expandedGradient, queryLatent, sinks
    case gate, up, product
    case betas, rates, decays
    case low, means
    /// Of what makes entries of tokens: values and gates of tokens; of entries the sums and means that they come from,
    /// and the gradients by these.
    case poolValues, poolGates, entrySums, entryMeans, entryKeys
    case returned, logits, sharedOutput, sharedGate
    case ofWorker(Int)
  }

  /// The rows of a purpose, of so many columns.
  func rows(_ purpose: Purpose, columns: Int) -> RowStorage<Float> {
    let key = RowsKey(purpose: purpose, columns: columns)
    if let found = layerRows[key] { return found }
    let made = RowStorage<Float>(columns: columns)
    layerRows[key] = made
    return made
  }

  private struct RowsKey: Hashable {
    let purpose: Purpose
    let columns: Int
  }

  /// Calls `body` for each of this rank's rows, which the workers share.
  func forEachRow(_ body: (_ row: Int) -> Void) { compute.compute.forEachRow(rowCount, body) }

  func matrix(_ role: ParameterRole, _ layer: Int?, rows: Int, columns: Int) -> StridedMatrix {
    StridedMatrix(values.values(ParameterID(role, layer: layer)), rows: rows, columns: columns, rowStride: columns)
  }

  /// normed := the norm of the layer's `input`, as in the forward pass.
  func normalize(_ input: MatrixView<Float>, _ role: ParameterRole, layer: Int?) {
    let (weight, normed, compute) = (values.values(ParameterID(role, layer: layer)), normed, compute.compute)
    let (count, epsilon, rowCount) = (hiddenSize, epsilon, rowCount)
    compute.pool.run { worker in
      let rows = compute.share(of: rowCount, worker: worker)
      guard !rows.isEmpty else { return }
      compute.rmsNorm(
        input[rows.lowerBound], stride: input.stride, rows: rows.count, count: count, weight: weight, epsilon: epsilon,
        out: normed[rows.lowerBound], outStride: normed.stride)
    }
  }

  /// From `normedGradient`, that by what the norm gave, the gradient by its `input`: added to `stream`, or written
  /// there where there are several streams, which `StreamBackward` brings it to. The norm's weight gets its own.
  func endNorm(_ input: MatrixView<Float>, _ role: ParameterRole, layer: Int?) throws {
    try norm(
      ParameterID(role, layer: layer), input, normedGradient, into: stream, adding: !hasStreams, epsilon: epsilon)
  }

  /// target (+)= the gradient by `input` of its norm, from `gradient` by what the norm gave, all `[rows, vectors ·
  /// stride]`, of which the first `count` numbers of each vector have a norm, or all; the norm's weight `[count]` gets
  /// its gradient. `target` may be `gradient`. `rowsByLeaf`: of each leaf, its rows here, where they are no rows of the
  /// batch.
  func norm(
    _ id: ParameterID, _ input: MatrixView<Float>, _ gradient: MatrixView<Float>, vectors: Int = 1, count: Int? = nil,
    into target: MatrixView<Float>, adding: Bool = false, epsilon: Float, rowsByLeaf: [Range<Int>]? = nil
  ) throws {
    let pass = NormBackward(
      input: input, gradient: gradient, target: target, adds: adding, vectors: vectors,
      count: count ?? input.columns / vectors, weight: values.values(id), epsilon: epsilon)
    // It is asked for the leaves that have rows of the batch.
    let leaves = zip(gradients.leaves, rowsByLeaf ?? gradients.leaves.map(\.rows)).filter { !$0.0.rows.isEmpty }
    pass.run(leaves.map(\.1).filter { !$0.isEmpty }, compute.compute, normScratch)
    var part = normScratch.weights.pointer
    var next = leaves[...]
    try gradients.add(id) { _, sum in
      guard let (_, rows) = next.popFirst(), !rows.isEmpty else { return }
      sum.update(from: part, count: pass.count)
      part += pass.count
    }
  }

  /// target (+)= dy · W, W `[columns of dy, columns of target]`.
  func backThrough(
    _ weights: StridedMatrix, dy: MatrixView<Float>, into target: MatrixView<Float>, adding: Bool = false,
    precision: ProductPrecision? = nil
  ) {
    compute.compute.pool.polled?.poll()
    compute.compute.pool.run {
      compute.multiply(StridedMatrix(dy), by: weights, into: target, adding: adding, precision: precision, worker: $0)
    }
  }
}
