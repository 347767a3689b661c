import Kernels
import Machine
import Tensors

/// How half a layer reads the residual stream: the weight of the norm before it, `[hidden]`, and its part in
/// hyper-connections where the stream has several.
struct StreamReading {
  let norm: AlignedBuffer<Float>
  var connection: HyperConnectionWeights? = nil
  /// Where what it had of several streams is kept; nil where nobody asks for it.
  var record: StreamRecord? = nil
}

/// The hidden states of a batch, `[rows, hidden]`, to which each layer adds what it makes of their norm; or several
/// such streams, `[rows, streams · hidden]`, which hyper-connections bring together before each half of a layer and
/// give its update to.
final class ResidualStream {
  let hiddenSize: Int
  private let epsilon: Float
  private let compute: Compute
  private var rowCount = 0
  private let hiddenRows: RowStorage<Float>
  private let normedRows: RowStorage<Float>
  private let updateRows: RowStorage<Float>
  private var rounded: RowBuffer
  /// Nil where the residual is plain.
  private let mixer: StreamMixer?

  /// Norms divide by √(mean square + `epsilon`); their rows enter products as `rowFormat`.
  init(
    hiddenSize: Int, epsilon: Float, rowFormat: RowFormat, compute: Compute, residual: ResidualDescription = .plain
  ) {
    (self.hiddenSize, self.epsilon, self.compute) = (hiddenSize, epsilon, compute)
    switch residual {
    case .plain: mixer = nil
    case .hyper(let shape): mixer = StreamMixer(shape, hiddenSize: hiddenSize, epsilon: epsilon, compute: compute)
    }
    hiddenRows = RowStorage(columns: hiddenSize * (mixer?.shape.streams ?? 1))
    normedRows = RowStorage(columns: hiddenSize)
    updateRows = RowStorage(columns: hiddenSize)
    rounded = RowBuffer(rowFormat, columns: hiddenSize, rows: 0)
  }

  /// Begins a step of so many rows, which are to be written to `hidden`: to its first stream, where `spread` writes the
  /// others.
  func begin(rows: Int) {
    rowCount = rows
    hiddenRows.reserve(rows: rows)
    normedRows.reserve(rows: rows)
    updateRows.reserve(rows: rows)
    rounded = rounded.reserving(rows: rows)
    mixer?.reserve(rows: rows)
  }

  /// The residual stream itself, or all of them.
  var hidden: MatrixView<Float> { hiddenRows.view(rows: rowCount) }

  /// What the last norm reads: the stream, or what `contract` made of them.
  var output: MatrixView<Float> { mixer?.collapsed(rowCount) ?? hidden }

  /// Where a layer writes what is to be added.
  var update: MatrixView<Float> { updateRows.view(rows: rowCount) }

  /// What `norm` wrote: the input of a layer, fp32 and rounded.
  var normed: Rows { rounded.rows(of: normedRows.view(rows: rowCount)) }

  /// Makes every stream of a row what its first one is.
  func spread(row: Int) { mixer?.spread(hidden[row]) }

  /// normed := rmsNorm(hidden) · weight `[hidden]`, rounded too, for the worker's share of rows; `kept` := hidden,
  /// where it is given. Of several streams, both of their weighted sum: all workers call it then when nobody writes to
  /// them, and meet in it.
  func norm(_ reading: StreamReading, keeping kept: RowStorage<Float>? = nil, worker: Int) {
    if let mixer, let connection = reading.connection {
      mixer.weigh(hidden, connection, keeping: reading.record, worker: worker)
    }
    let (source, normed, rounded) = (output, normedRows.view(rows: rowCount), rounded)
    let copies = kept?.view(rows: rowCount)
    for row in compute.share(of: rowCount, worker: worker) {
      mixer?.collapse(hidden, row: row)
      copies?[row].update(from: source[row], count: hiddenSize)
      compute.rmsNorm(
        source[row], stride: hiddenSize, rows: 1, count: hiddenSize, weight: reading.norm.pointer, epsilon: epsilon,
        out: normed[row], outStride: hiddenSize)
      rounded.round(compute, row: row, normed[row])
    }
  }

  /// hidden += update, for the worker's share of rows. Of several streams each gets its own, after they are mixed: all
  /// workers meet first then. `reading` is what the half of the layer read them by.
  func addUpdate(_ reading: StreamReading, worker: Int) {
    if let mixer {
      compute.pool.barrier(worker: worker)
      if let record = reading.record {
        let (update, kept) = (update, record.update(rowCount))
        for row in compute.share(of: rowCount, worker: worker) {
          kept[row].update(from: update[row], count: hiddenSize)
        }
      }
      return mixer.mix(hidden, update, worker: worker)
    }
    let share = compute.share(of: rowCount, worker: worker)
    guard !share.isEmpty else { return }
    compute.add(update[share.lowerBound], to: hidden[share.lowerBound], count: share.count * hiddenSize)
  }

  /// Adds the streams up for the last norm, each times its weight; nothing where the residual is plain.
  func contract(_ connection: HyperConnectionWeights?, keeping record: StreamRecord? = nil) {
    guard let mixer, let connection, rowCount > 0 else { return }
    record?.reserve(rows: rowCount)
    compute.pool.run { worker in
      mixer.weigh(hidden, connection, keeping: record, worker: worker)
      for row in compute.share(of: rowCount, worker: worker) { mixer.collapse(hidden, row: row) }
    }
  }
}
