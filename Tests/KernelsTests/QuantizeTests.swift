import CKernels
import Foundation
import TestSupport
import Testing

/// Rounding of weights to Q8 and Q4, and their panels.
struct QuantizeTests {
  static let formats = [CK_Q8, CK_Q4]
  static let lengths = [1, 3, 4, 5, 7, 8, 9, 31, 63, 64, 65, 70, 127, 128, 200, 513]

  /// The table of Q4, as a panel expands it.
  static let levels: [Int] = {
    let panel = GuardedMemory(byteCount: ck_panel_bytes(CK_Q4, 64))
    var bytes = [UInt8](repeating: 0, count: 32)
    for column in 0..<16 { bytes[column / 8 * 4 + column % 4] |= UInt8(column) << (column % 8 < 4 ? 0 : 4) }
    ck_pack_rows(CK_Q4, bytes, 32, 1, 0, 64, 64, panel.start)
    ck_set_scales(CK_Q4, panel.start, 64, 0, [240], 1)
    var values = [Float](repeating: 0, count: 64)
    ck_expand_panel_row(CK_Q4, panel.start, 64, 0, &values)
    return values.prefix(16).map { Int($0) }
  }()

  struct Row: Equatable {
    let format: ck_format
    let columns: Int
    var elements: [UInt8]
    var blockScales: [UInt8]
    var rowScale: Float

    /// Quantised from and to memory that ends where an inaccessible page begins.
    init(_ format: ck_format, _ values: [Float], _ isa: ck_isa = CK_ISA_REFERENCE) {
      self.format = format
      columns = values.count
      let x = GuardedMemory(values)
      let elements = GuardedMemory(byteCount: ck_stored_bytes(format, columns))
      let blocks = GuardedMemory(byteCount: (columns + 63) / 64)
      rowScale = -1
      ck_quantize_row(isa, format, x.floats, columns, elements.start, blocks.start, &rowScale)
      self.elements = Array(
        UnsafeRawBufferPointer(start: elements.start, count: ck_stored_bytes(format, columns)))
      blockScales = Array(UnsafeRawBufferPointer(start: blocks.start, count: (columns + 63) / 64))
    }

    func index(_ column: Int) -> Int {
      let byte = elements[column / 8 * 4 + column % 4]
      return Int(column % 8 < 4 ? byte & 15 : byte >> 4)
    }
    func level(_ column: Int) -> Int {
      format == CK_Q8 ? Int(Int8(bitPattern: elements[column])) : QuantizeTests.levels[index(column)]
    }
    func value(_ column: Int) -> Float {
      Float(level(column)) * QuantizeTests.scale(blockScales[column / 64]) * rowScale
    }
  }

  static func scale(_ byte: UInt8) -> Float {
    (1 + Float(byte % 16) / 16) * Float(sign: .plus, exponent: Int(byte) / 16 - 15, significand: 1)
  }

  static func gaussian(_ count: Int, _ generator: inout SeededGenerator) -> [Float] {
    (0..<count).map { _ in generator.floats(12, in: -0.5...0.5).reduce(0, +) * 0.02 }
  }

  /// Rows of ordinary weights, of wide range, with zeros, of one value, tiny and huge.
  static func rows(_ columns: Int, _ generator: inout SeededGenerator) -> [[Float]] {
    let plain = gaussian(columns, &generator)
    return [
      plain,
      plain.enumerated().map { $0 / 64 % 2 == 0 ? $1 : $1 * 1e-6 },
      plain.enumerated().map { $0 % 3 == 0 ? $1 : 0 },
      plain.enumerated().map { $0 / 64 == 1 ? 0 : $1 },
      Array(repeating: 0.25, count: columns),
      Array(repeating: -0.25, count: columns),
      plain.map { $0 * 0x1p-90 }, plain.map { $0 * 0x1p+120 },
    ]
  }

  @Test(arguments: formats)
  func everyInstructionSetGivesTheSameBits(format: ck_format) {
    var generator = SeededGenerator(5)
    for columns in Self.lengths + [4095, 4096, 4160, 8300] {
      for row in Self.rows(columns, &generator) {
        let reference = Row(format, row)
        for isa in ck_isa.vectors { #expect(Row(format, row, isa) == reference, "\(isa), \(columns) columns") }
      }
    }
  }

  /// However many are rounded side by side.
  @Test(arguments: formats)
  func blocksDependOnTheirRowsScaleOnly(format: ck_format) {
    var generator = SeededGenerator(22)
    let count = 150
    var row = Self.gaussian(64 * count, &generator)
    row[0] = 1
    for isa in ck_isa.supported {
      let whole = Row(format, row, isa)
      for block in 1..<count {
        let few = Row(format, Array(row[..<64] + row[(64 * block)..<(64 * block + 64)]), isa)
        #expect(few.blockScales == [whole.blockScales[0], whole.blockScales[block]], "\(isa), block \(block)")
        let bytes = ck_stored_bytes(format, 64)
        #expect(few.elements[bytes...] == whole.elements[(bytes * block)..<(bytes * block + bytes)])
        #expect(few.rowScale == whole.rowScale)
      }
    }
  }

  @Test func theTableHasSixteenAscendingLevelsAndZero() {
    #expect(Self.levels == Self.levels.sorted() && Set(Self.levels).count == 16 && Self.levels[7] == 0)
    #expect(Self.levels.map { abs($0) }.max() == 127)
  }

  /// No scale or level near the chosen ones does better, in double precision.
  @Test(arguments: formats)
  func scalesAndLevelsAreTheOnesOfLeastError(format: ck_format) {
    var generator = SeededGenerator(6)
    let allowed = format == CK_Q8 ? Array(-127...127) : Self.levels
    for columns in [64, 100, 192] {
      for values in Self.rows(columns, &generator).prefix(6) {
        let row = Row(format, values)
        for (block, byte) in row.blockScales.enumerated() {
          let range = (block * 64)..<min(columns, block * 64 + 64)
          let greatest = range.map { abs(values[$0]) }.max()!
          guard greatest > 0 else {
            #expect(byte == 0 && range.allSatisfy { row.level($0) == 0 })
            continue
          }
          func error(_ byte: UInt8) -> Double {
            let scale = Double(Self.scale(byte)) * Double(row.rowScale)
            return range.reduce(0) { sum, column in
              let x = Double(values[column]) / scale
              let nearest = allowed.map { abs(Double($0) - x) }.min()! * scale
              return sum + nearest * nearest
            }
          }
          let own = range.reduce(0.0) {
            let difference = Double(row.value($1)) - Double(values[$1])
            return $0 + difference * difference
          }
          for step in format == CK_Q8 ? -1...1 : -3...1 {
            guard let other = UInt8(exactly: Int(byte) + step) else { continue }
            let reach = Self.scale(other) * row.rowScale * 127
            // Candidates go up to the first that reaches the greatest value, and one or two beyond.
            guard reach < greatest * 1.05 || step <= 0 else { continue }
            // Values are rounded to an integer before the nearest level of Q4 is taken.
            #expect(own <= error(other) * (format == CK_Q8 ? 1.001 : 1.06), "block \(block), scale \(byte) or \(other)")
          }
        }
      }
    }
  }

  @Test(arguments: [(CK_Q8, 0.0062), (CK_Q4, 0.0855)])
  func errorsOfGaussianWeightsAreSmall(format: ck_format, limit: Double) {
    var generator = SeededGenerator(9)
    let values = Self.gaussian(1 << 14, &generator)
    let row = Row(format, values)
    let error = values.indices.reduce(0.0) { $0 + pow(Double(row.value($1) - values[$1]), 2) }
    let power = values.reduce(0.0) { $0 + Double($1) * Double($1) }
    #expect((error / power).squareRoot() < limit)
  }

  @Test(arguments: formats)
  func extremeRowsAreDefined(format: ck_format) {
    for isa in ck_isa.supported {
      for columns in [1, 64, 130] {
        var values = [Float](repeating: 0, count: columns)
        func isZero(_ row: Row) -> Bool {
          (0..<columns).allSatisfy { row.level($0) == 0 } && row.blockScales.allSatisfy { $0 == 0 }
        }
        #expect(isZero(Row(format, values, isa)) && Row(format, values, isa).rowScale == 0)
        values[columns / 2] = -0x1p-101
        #expect(isZero(Row(format, values, isa)) && Row(format, values, isa).rowScale == 0)
        for wild in [Float.infinity, -.infinity, .nan, -.nan] {
          values[columns / 2] = wild
          #expect(isZero(Row(format, values, isa)) && Row(format, values, isa).rowScale.isNaN)
        }
        values[columns / 2] = 0x1p-100
        #expect(Row(format, values, isa).rowScale > 0)
        values[columns / 2] = .greatestFiniteMagnitude
        #expect(Row(format, values, isa).rowScale.isFinite)
      }
    }
  }

  @Test func missingColumnsOfQ4HoldTheIndexOfZero() {
    for columns in [1, 2, 4, 5, 7, 9, 65, 69] {
      let row = Row(CK_Q4, (0..<columns).map { Float($0 + 1) })
      #expect(row.elements.count == (columns + 7) / 8 * 4)
      for column in columns..<(row.elements.count * 2) { #expect(row.index(column) == 7) }
    }
  }

  /// Every value and byte of panels, by their definition.
  @Test(arguments: formats)
  func panelsHoldTheRowsTheyWereMadeOf(format: ck_format) {
    var generator = SeededGenerator(12)
    for columns in Self.lengths {
      for rowCount in [1, 5, 16] {
        let rows = (0..<rowCount).map { _ in Row(format, Self.gaussian(columns, &generator)) }
        let panel = Self.panel(rows)
        let padded = (columns + 63) / 64 * 64
        for lane in 0..<16 {
          var values = [Float](repeating: -1, count: columns)
          ck_expand_panel_row(format, panel.start, columns, lane, &values)
          for column in 0..<columns {
            let expected = lane < rowCount ? rows[lane].value(column) : 0
            #expect(values[column] == expected)
          }
          for column in 0..<padded {
            let level = lane < rowCount && column < columns ? rows[lane].level(column) : 0
            #expect(Self.level(format, panel, column, lane) == level)
          }
        }
        let size = ck_panel_bytes(format, columns)
        #expect(size % 64 == 0 && size == padded * (format == CK_Q8 ? 16 : 8) + (padded / 64 * 16 + 63) / 64 * 64 + 64)
      }
    }
  }

  @Test(arguments: formats)
  func piecesOfColumnsMakeTheSamePanelAsAllAtOnce(format: ck_format) {
    var generator = SeededGenerator(13)
    for rowCount in [3, 16] {
      let rows = (0..<rowCount).map { _ in Row(format, Self.gaussian(150, &generator)) }
      let whole = Self.panel(rows)
      let pieces = Self.panel(rows, pieces: [(0, 8), (8, 64), (72, 16), (88, 62)])
      #expect(memcmp(whole.start, pieces.start, ck_panel_bytes(format, 150)) == 0)
    }
  }

  /// Packed over memory that held nothing but ones; scales are set before or after.
  static func panel(_ rows: [Row], pieces: [(first: Int, count: Int)]? = nil) -> GuardedMemory {
    let (format, columns) = (rows[0].format, rows[0].columns)
    let panel = GuardedMemory(byteCount: ck_panel_bytes(format, columns))
    memset(panel.start, 0xFF, ck_panel_bytes(format, columns))
    let stride = rows[0].elements.count
    let elements = rows.flatMap(\.elements)
    func setScales() {
      for (lane, row) in rows.enumerated() {
        ck_set_scales(format, panel.start, columns, lane, row.blockScales, row.rowScale)
      }
    }
    if pieces != nil { setScales() }
    elements.withUnsafeBytes { bytes in
      for (first, count) in pieces ?? [(0, columns)] {
        let offset = format == CK_Q8 ? first : first / 2
        ck_pack_rows(format, bytes.baseAddress! + offset, stride, rows.count, first, count, columns, panel.start)
      }
    }
    if pieces == nil { setScales() }
    return panel
  }

  private static func level(_ format: ck_format, _ panel: GuardedMemory, _ column: Int, _ lane: Int) -> Int {
    if format == CK_Q8 {
      return Int(panel.start.load(fromByteOffset: (column / 4 * 16 + lane) * 4 + column % 4, as: UInt8.self)) - 128
    }
    let byte = panel.start.load(fromByteOffset: (column / 8 * 16 + lane) * 4 + column % 4, as: UInt8.self)
    return levels[Int(column % 8 < 4 ? byte & 15 : byte >> 4)]
  }

  @Test func storedRowsOfScaledFormatsExpandToTheirValues() {
    var generator = SeededGenerator(21)
    for format in [CK_F8E4M3, CK_MXFP4] {
      for columns in [32, 64, 160, 288] {
        let weights = MatmulWeights(format, rows: 3, columns: columns, seed: generator.next())
        for row in 0..<3 {
          var values = [Float](repeating: 0, count: columns)
          let elements = Array(weights.elements[(row * weights.rowByteCount)..<((row + 1) * weights.rowByteCount)])
          let scales = Array(weights.scales[(row * weights.scaleBlockCount)..<((row + 1) * weights.scaleBlockCount)])
          format.withScales(scales) { ck_expand(format, elements, $0, columns, &values) }
          #expect((0..<columns).allSatisfy { values[$0].bitPattern == weights.value(row: row, column: $0).bitPattern })
        }
      }
    }
  }
}
