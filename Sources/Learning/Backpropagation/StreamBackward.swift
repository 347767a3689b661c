import Gradients
import Kernels
import MoEModel
import Tensors

/// The backward pass of hyper-connections (`StreamMixer`): around half a layer, and of a head that adds streams up. The
/// gradient by all streams is `parts.streams`; between `begin` and `end` `parts.stream` is that by what half a layer
/// gave, and then by what it read.
final class StreamBackward {
  private let shape: HyperConnections
  private let hiddenSize: Int
  private let epsilon: Float
  private let parts: BackwardParts
  private let half: StreamWeightGradient
  private let head: StreamWeightGradient
  /// The weights of each row, then the gradients by them, and by what they are functions of.
  private let weightRows: RowStorage<Float>
  private let gradientRows: RowStorage<Float>
  private let argumentRows: RowStorage<Float>
  /// `[rows, 3]`: by scales.
  private let scaleRows: RowStorage<Float>
  /// All streams over their length, which the weights' function meets; and the gradient by them, before and after that
  /// norm.
  private let normedRows: RowStorage<Float>
  private let madeRows: RowStorage<Float>
  private let ones: AlignedBuffer<Float>

  init(_ shape: HyperConnections, _ description: DecoderDescription, _ parts: BackwardParts) {
    (self.shape, self.parts) = (shape, parts)
    (hiddenSize, epsilon) = (description.hiddenSize, description.normEpsilon)
    (half, head) = (StreamWeightGradient(shape, ofHead: false), StreamWeightGradient(shape, ofHead: true))
    let width = shape.streams * hiddenSize
    weightRows = RowStorage(columns: shape.weightCount)
    gradientRows = RowStorage(columns: shape.weightCount)
    argumentRows = RowStorage(columns: shape.weightCount)
    scaleRows = RowStorage(columns: 3)
    (normedRows, madeRows) = (RowStorage(columns: width), RowStorage(columns: width))
    ones = AlignedBuffer(Array(repeating: 1, count: width))
  }

  /// parts.stream := the gradient by what half a layer gave, from that by the streams after it.
  func begin(_ tape: StreamTape, of place: ParameterRole.HyperPlace, layer: Int) {
    guard parts.rowCount > 0 else { return }
    weigh(tape, half, of: place, layer: layer)
    let (compute, weights, hidden) = (parts.compute.compute, weightRows.view(rows: parts.rowCount), hiddenSize)
    let (streams, stream, count) = (parts.streams, parts.stream, shape.streams)
    parts.forEachRow { row in
      let factors = weights[row] + count
      compute.scale(streams[row], by: factors[0], into: stream[row], count: hidden)
      for k in 1..<max(count, 1) {
        compute.addScaled(streams[row] + k * hidden, by: factors[k], to: stream[row], count: hidden)
      }
    }
  }

  /// parts.streams := the gradient by the streams before half a layer, from that by the ones after it, and by what it
  /// read in `parts.stream`; after `begin`.
  func end(_ tape: StreamTape, of place: ParameterRole.HyperPlace, layer: Int) throws {
    let rows = parts.rowCount
    guard rows > 0 else { return }
    let (compute, hidden, count, width) = (parts.compute.compute, hiddenSize, shape.streams, tape.streams.columns)
    let (weights, gradients, made) = (
      weightRows.view(rows: rows), gradientRows.view(rows: rows), madeRows.view(rows: rows)
    )
    let (streams, stream, x) = (parts.streams, parts.stream, tape.streams)
    parts.forEachRow { row in
      let (own, gradient, after) = (weights[row], gradients[row], streams[row])
      for j in 0..<count {
        let (source, matrix) = (x[row] + j * hidden, (2 + j) * count)
        gradient[j] = compute.dot(stream[row], source, count: hidden)
        gradient[count + j] = compute.dot(tape.update[row], after + j * hidden, count: hidden)
        let target = made[row] + j * hidden
        compute.scale(stream[row], by: own[j], into: target, count: hidden)
        for k in 0..<count {
          gradient[matrix + k] = compute.dot(source, after + k * hidden, count: hidden)
          compute.addScaled(after + k * hidden, by: own[matrix + k], to: target, count: hidden)
        }
      }
      after.update(from: made[row], count: width)
    }
    try backThroughWeights(tape, half, of: place, layer: layer)
  }

  /// parts.streams := the gradient by all streams, from that by their sum in `parts.stream`.
  func backThroughSum(_ tape: StreamTape, of place: ParameterRole.HyperPlace, layer: Int?) throws {
    let rows = parts.rowCount
    guard rows > 0 else { return }
    weigh(tape, head, of: place, layer: layer)
    let (compute, hidden, count) = (parts.compute.compute, hiddenSize, shape.streams)
    let (weights, gradients) = (weightRows.view(rows: rows), gradientRows.view(rows: rows))
    let (streams, stream, x) = (parts.streams, parts.stream, tape.streams)
    parts.forEachRow { row in
      for j in 0..<count {
        gradients[row][j] = compute.dot(stream[row], x[row] + j * hidden, count: hidden)
        compute.scale(stream[row], by: weights[row][j], into: streams[row] + j * hidden, count: hidden)
      }
    }
    try backThroughWeights(tape, head, of: place, layer: layer)
  }

  /// parts.stream := the gradient by what all streams began as.
  func backThroughCopies() {
    let (compute, hidden, count) = (parts.compute.compute, hiddenSize, shape.streams)
    let (streams, stream) = (parts.streams, parts.stream)
    parts.forEachRow { row in
      stream[row].update(from: streams[row], count: hidden)
      for j in 1..<max(count, 1) { compute.add(streams[row] + j * hidden, to: stream[row], count: hidden) }
    }
  }

  private func id(_ part: ParameterRole.HyperPart, _ place: ParameterRole.HyperPlace, _ layer: Int?) -> ParameterID {
    ParameterID(.hyper(part, of: place), layer: layer)
  }

  /// Finds the weights of all rows once more.
  private func weigh(
    _ tape: StreamTape, _ formula: StreamWeightGradient, of place: ParameterRole.HyperPlace, layer: Int?
  ) {
    for storage in [weightRows, gradientRows, argumentRows, scaleRows, normedRows, madeRows] {
      storage.reserve(rows: parts.rowCount)
    }
    let weights = weightRows.view(rows: parts.rowCount)
    let (base, scale) = (parts.values.values(id(.base, place, layer)), parts.values.values(id(.scale, place, layer)))
    parts.forEachRow { formula.weigh(tape.weights[$0], base: base, scale: scale, into: weights[$0]) }
  }

  /// Adds to `parts.streams` what comes through the weights, whose gradients are there.
  private func backThroughWeights(
    _ tape: StreamTape, _ formula: StreamWeightGradient, of place: ParameterRole.HyperPlace, layer: Int?
  ) throws {
    let (rows, compute, width) = (parts.rowCount, parts.compute.compute, tape.streams.columns)
    let (gradients, scales) = (
      gradientRows.view(rows: rows), scaleRows.view(rows: rows).columns(0..<formula.scaleCount)
    )
    let arguments = argumentRows.view(rows: rows).columns(0..<formula.count)
    let (normed, made, streams) = (normedRows.view(rows: rows), madeRows.view(rows: rows), parts.streams)
    let (base, scale) = (parts.values.values(id(.base, place, layer)), parts.values.values(id(.scale, place, layer)))
    let (ones, epsilon) = (ones.pointer, epsilon)
    parts.forEachRow { row in
      let numbers = tape.weights[row]
      formula.write(
        numbers: numbers, base: base, scale: scale, gradients: gradients[row], into: arguments[row])
      for part in 0..<formula.scaleCount {
        var sum: Float = 0
        for i in formula.range(ofScale: part) { sum += numbers[i] * arguments[row][i] }
        scales[row][part] = sum
      }
      compute.rmsNorm(
        tape.streams[row], stride: width, rows: 1, count: width, weight: ones, epsilon: epsilon, out: normed[row],
        outStride: width)
    }
    for (part, numbers) in [(ParameterRole.HyperPart.base, arguments), (.scale, scales)] {
      try parts.gradients.add(id(part, place, layer)) { rows, target in
        parts.compute.sumRows(StridedMatrix(numbers).rows(rows), into: target, worker: 0)
      }
    }
    // From here on by the function's numbers.
    parts.forEachRow { row in
      for part in 0..<formula.scaleCount {
        for i in formula.range(ofScale: part) { arguments[row][i] *= scale[part] }
      }
    }
    let function = id(.function, place, layer)
    try parts.gradients.addProduct(function, dy: arguments, x: normed, precision: .float32)
    parts.backThrough(
      parts.matrix(function.role, layer, rows: formula.count, columns: width), dy: arguments, into: made,
      precision: .float32)
    parts.forEachRow { row in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 1) { spare in
        compute.rmsNormGradient(
          tape.streams[row], stride: width, gradient: made[row], gradientStride: width, rows: 1, count: width,
          weight: ones, epsilon: epsilon, out: made[row], outStride: width, scales: spare.start)
      }
      compute.add(made[row], to: streams[row], count: width)
    }
  }
}
