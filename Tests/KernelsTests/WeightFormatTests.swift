import CKernels
import Machine
import Tensors
import TestSupport
import Testing

@testable import Kernels

/// The table of weight formats, row by row: what is packed is what is expanded, and what is multiplied.
struct WeightFormatTests {
  @Test func everyRowOfTheTableInCHasOneHere() {
    #expect(WeightFormat.all.map { $0.code.rawValue } == Array(0..<CK_FORMAT_COUNT.rawValue))
    #expect(Set(WeightFormat.all.map(\.name)).count == WeightFormat.all.count)
    let types = WeightFormat.all.flatMap { [$0.elementType, $0.levelType].compactMap(\.self) }
    #expect(Set(types).count == types.count)
    for type in ElementType.allCases {
      #expect(WeightFormat(type)?.elementType ?? type == type && WeightFormat(levels: type)?.levelType ?? type == type)
    }
  }

  @Test func whatNoPanelHoldsMeetsNoRows() {
    for format in WeightFormat.all where !format.isHeld {
      #expect(format.isBlocked && format.panelByteCount(columns: 512) == 0, "\(format)")
    }
  }

  private static let (rows, columns) = (37, 512)

  /// Rows as they are stored, with scales where the format has such.
  private struct Stored {
    var elements: [UInt8]
    var scales: [UInt8]
    var rowScales: [Float]
  }

  private func stored(_ format: WeightFormat, _ generator: inout SeededGenerator) -> Stored {
    let (rows, columns) = (Self.rows, Self.columns)
    let blocks = format.scaleColumns == 0 ? 0 : format.blockCount(columns: columns)
    let rowBytes = format.storedRowByteCount(columns)
    var stored = Stored(elements: [], scales: [], rowScales: [])
    for _ in 0..<rows {
      let values = generator.floats(columns)
      if case .levels = format.rounding {
        var (elements, scales) = ([UInt8](repeating: 0, count: rowBytes), [UInt8](repeating: 0, count: blocks))
        stored.rowScales.append(
          format.quantize(values, columns: columns, elements: &elements, blockScales: &scales))
        stored.elements += elements
        stored.scales += scales
      } else if format.isBlocked {
        for _ in 0..<columns / format.blockColumns { stored.elements += StoredBlocks.block(format.code, &generator) }
      } else if format.rounding != nil {
        // The upper halves of such numbers are bf16.
        for value in values {
          stored.elements += withUnsafeBytes(of: value.bitPattern) { Array($0.suffix(rowBytes / columns)) }
        }
      } else {
        // No exponent is all ones.
        stored.elements += (0..<rowBytes).map { _ in UInt8(truncatingIfNeeded: generator.next()) & 0xF7 }
        if format == .float8 {
          stored.scales += generator.floats(blocks).flatMap { withUnsafeBytes(of: $0) { Array($0) } }
        } else {
          stored.scales += (0..<blocks).map { _ in UInt8(118 + generator.next() % 12) }
        }
        stored.rowScales.append(1)
      }
    }
    return stored
  }

  private func pack(_ format: WeightFormat, _ stored: Stored, _ memory: AlignedBuffer<UInt8>) {
    let (rows, columns) = (Self.rows, Self.columns)
    let rowBytes = format.storedRowByteCount(columns)
    for panel in 0..<PackedMatrix.panelCount(rows: rows) {
      let writer = PanelWriter(
        format: format, columns: columns, panel: memory.pointer + panel * format.panelByteCount(columns: columns))
      let first = panel * PackedMatrix.panelRows
      let count = min(PackedMatrix.panelRows, rows - first)
      stored.elements.withUnsafeBytes {
        writer.write(rows: $0.baseAddress! + first * rowBytes, rowStride: rowBytes, rowCount: count)
      }
      guard format.scaleColumns > 0 else { continue }
      let scaleBytes = stored.scales.count / rows
      stored.scales.withUnsafeBytes {
        for lane in 0..<count {
          writer.setScales(
            lane: lane, blocks: $0.baseAddress! + (first + lane) * scaleBytes, row: stored.rowScales[first + lane])
        }
      }
    }
  }

  /// Parts of a product that ranks of a host take turns at are the whole product, whoever has which panels.
  @Test func everyNthPanelOfSeveralWorkersIsTheProduct() throws {
    var generator = SeededGenerator(17)
    let (rows, columns, count, workers) = (75, 40, 3, 2)
    let format = WeightFormat.float32
    let memory = AlignedBuffer<UInt8>(
      count: PackedMatrix.panelCount(rows: rows) * format.panelByteCount(columns: columns))
    let numbers = memory.pointer.withMemoryRebound(to: Float.self, capacity: memory.count / 4) { $0 }
    for i in 0..<(memory.count / 4) { numbers[i] = generator.float() }
    let bounds = PackedMatrix.evenBounds(rows: rows, workerCount: workers)
    let panelBytes = format.panelByteCount(columns: columns)
    let bias = AlignedBuffer<Float>(count: rows)
    for row in 0..<rows { bias.pointer[row] = generator.float() }
    let matrix = PackedMatrix(
      format: format, rows: rows, columns: columns, rowFormat: .float32, bias: bias, bounds: bounds,
      shards: (0..<workers).map { UnsafeMutableRawPointer(memory.pointer + bounds[$0] * panelBytes) })
    let compute = Compute(pool: try WorkerPool(workerCount: workers))
    let x = RowStorage<Float>(columns: columns)
    x.reserve(rows: count)
    let inputs = x.view(rows: count)
    for row in 0..<count { for column in 0..<columns { inputs[row][column] = generator.float() } }
    let input = RowBuffer(.float32, columns: columns, rows: count).rows(of: inputs)
    func outputs(_ multiply: (Int, UnsafeMutablePointer<Float>) -> Void) -> [Float] {
      var y = [Float](repeating: .infinity, count: count * rows)
      y.withUnsafeMutableBufferPointer { y in for worker in 0..<workers { multiply(worker, y.baseAddress!) } }
      return y
    }
    let whole = outputs { matrix.multiply(compute, worker: $0, x: input, count: count, y: $1, yStride: rows) }
    for step in 1...7 {
      let parts = outputs { worker, y in
        for first in 0..<step {
          matrix.multiply(
            compute, worker: worker, everyPanel: step, from: first, x: input, count: count, y: y, yStride: rows)
        }
      }
      #expect(parts == whole, "\(step)")
    }
  }

  @Test(arguments: WeightFormat.all.filter(\.isHeld))
  func whatIsPackedIsWhatIsExpandedAndMultiplied(format: WeightFormat) throws {
    var generator = SeededGenerator(71)
    let (rows, columns) = (Self.rows, Self.columns)
    let stored = stored(format, &generator)
    let memory = AlignedBuffer<UInt8>(
      count: PackedMatrix.panelCount(rows: rows) * format.panelByteCount(columns: columns))
    pack(format, stored, memory)
    let meets = RowFormat.allCases.filter(format.canMeet)
    #expect(meets.contains(format.plainRowFormat))
    for rowFormat in meets {
      let matrix = PackedMatrix(
        format: format, rows: rows, columns: columns, rowFormat: rowFormat, bias: nil,
        bounds: PackedMatrix.bounds(rows: rows, allOn: 0, workerCount: 1),
        shards: [UnsafeMutableRawPointer(memory.pointer)])
      let weights = (0..<rows).map { row in
        var values = [Float](repeating: 0, count: columns)
        matrix.expand(row: row, into: &values)
        return values
      }
      if case .levels = format.rounding {
      } else {
        let (rowBytes, scaleBytes) = (format.storedRowByteCount(columns), stored.scales.count / rows)
        for row in 0..<rows {
          var values = [Float](repeating: 0, count: columns)
          stored.elements.withUnsafeBytes { elements in
            stored.scales.withUnsafeBytes { scales in
              PanelWriter.expand(
                format, elements.baseAddress! + row * rowBytes,
                scales: scaleBytes == 0 ? nil : scales.baseAddress! + row * scaleBytes, count: columns, into: &values)
            }
          }
          #expect(sameBits(values[...], weights[row][...]))
        }
      }
      let x = generator.floats(5 * columns)
      let reference = try multiply(matrix, x, .reference)
      for set in InstructionSet.supported {
        #expect(sameBits(try multiply(matrix, x, set)[...], reference[...]), "\(format) with \(rowFormat) on \(set)")
      }
      // Rows are rounded, to 8 bits of fraction at most.
      for (i, found) in reference.enumerated() {
        let (row, products) = (i / rows, weights[i % rows])
        let exact = zip(products, x[(row * columns)...]).map { Double($0) * Double($1) }
        let tolerance = exact.reduce(0) { $0 + abs($1) } * (rowFormat == .float32 ? 1e-5 : 2e-2)
        #expect(abs(Double(found) - exact.reduce(0, +)) <= tolerance, "\(format) with \(rowFormat), output \(i)")
      }
    }
  }

  private func multiply(_ matrix: PackedMatrix, _ x: [Float], _ set: InstructionSet) throws -> [Float] {
    let compute = Compute(
      pool: try WorkerPool(cores: [0], pin: false, oversubscribed: true), instructionSet: set)
    let count = x.count / matrix.columns
    let rounded = RowBuffer(matrix.rowFormat, columns: matrix.columns, rows: count)
    var y = [Float](repeating: 0, count: count * matrix.rows)
    x.withUnsafeBufferPointer { x in
      for row in 0..<count { rounded.round(compute, row: row, x.baseAddress! + row * matrix.columns) }
      matrix.multiplyAll(
        compute, worker: 0, x: rounded.rows(of: x.baseAddress!, stride: matrix.columns), count: count, y: &y,
        yStride: matrix.rows)
    }
    return y
  }
}
