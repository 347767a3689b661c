import CKernels
import Foundation
import TestSupport
import Testing

/// Memory that ends where an inaccessible page begins: reading or writing past it ends the process.
final class GuardedMemory {
  let start: UnsafeMutableRawPointer
  private let mapping: UnsafeMutableRawPointer
  private let mappedByteCount: Int

  init(byteCount: Int) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let body = (byteCount + page - 1) / page * page
    mappedByteCount = body + page
    mapping = mmap(nil, mappedByteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    precondition(mapping != MAP_FAILED && mprotect(mapping + body, page, PROT_NONE) == 0)
    start = mapping + (body - byteCount)
  }

  convenience init(_ values: [Float]) {
    self.init(byteCount: values.count * 4)
    values.withUnsafeBytes { start.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
  }

  var floats: UnsafeMutablePointer<Float> { start.assumingMemoryBound(to: Float.self) }

  deinit { munmap(mapping, mappedByteCount) }
}

extension ck_format {
  static let all: [ck_format] = [CK_F32, CK_BF16, CK_F16, CK_F8E4M3, CK_MXFP4]

  /// Bytes of `count` elements of one row.
  func byteCount(_ count: Int) -> Int {
    switch self {
    case CK_F32: count * 4
    case CK_BF16, CK_F16: count * 2
    case CK_F8E4M3: count
    default: count / 2
    }
  }

  /// Block scales in the form in which the format has them.
  func withScales<Result>(_ scales: [Float], _ body: (UnsafeRawPointer) -> Result) -> Result {
    self == CK_F8E4M3
      ? scales.withUnsafeBytes { body($0.baseAddress!) }
      : scales.map { UInt8($0) }.withUnsafeBytes { body($0.baseAddress!) }
  }

  var scaleBlock: Int { self == CK_F8E4M3 ? 128 : self == CK_MXFP4 ? 32 : Int.max }
}

extension ck_isa {
  static let all: [ck_isa] = (0..<CK_ISA_COUNT.rawValue).map { ck_isa($0) }
  static var supported: [ck_isa] { all.filter { ck_isa_supported($0) } }
  static var vectors: [ck_isa] { supported.filter { $0 != CK_ISA_REFERENCE } }
}

/// Values of the element formats, computed from their definitions.
enum ElementValues {
  static func minifloat(_ bits: Int, exponentBits: Int, fractionBits: Int, bias: Int) -> Double {
    let fraction = bits & ((1 << fractionBits) - 1)
    let exponent = (bits >> fractionBits) & ((1 << exponentBits) - 1)
    let sign: Double = (bits >> (exponentBits + fractionBits)) & 1 == 1 ? -1 : 1
    let one = Double(1 << fractionBits)
    return exponent == 0
      ? sign * Double(fraction) / one * scalbn(1, 1 - bias)
      : sign * (1 + Double(fraction) / one) * scalbn(1, exponent - bias)
  }

  static func f8e4m3(_ bits: UInt8) -> Double {
    bits & 0x7F == 0x7F ? .nan : minifloat(Int(bits), exponentBits: 4, fractionBits: 3, bias: 7)
  }

  static func fp4(_ bits: UInt8) -> Double {
    minifloat(Int(bits & 15), exponentBits: 2, fractionBits: 1, bias: 1)
  }

  static func f16(_ bits: UInt16) -> Double {
    if bits & 0x7C00 == 0x7C00 {
      return bits & 0x3FF != 0 ? .nan : bits & 0x8000 != 0 ? -.infinity : .infinity
    }
    return minifloat(Int(bits), exponentBits: 5, fractionBits: 10, bias: 15)
  }

  static func e8m0(_ bits: UInt8) -> Double { bits == 255 ? .nan : scalbn(1, Int(bits) - 127) }
}

/// Random weights [rows, columns] as a checkpoint stores them, row-major, and their panels.
final class MatmulWeights {
  let format: ck_format
  let rows: Int
  let columns: Int
  /// [rows][format.byteCount(columns)]
  private(set) var elements: [UInt8]
  /// [rows][scale blocks]; MXFP4's hold the E8M0 byte.
  private(set) var scales: [Float] = []
  let panels: GuardedMemory

  var rowByteCount: Int { format.byteCount(columns) }
  var panelByteCount: Int { ck_panel_bytes(format, columns) }
  var scaleBlockCount: Int { (columns - 1) / format.scaleBlock + 1 }
  var panelCount: Int { (rows + 15) / 16 }

  /// `change` may alter elements and scales before they are packed.
  init(
    _ format: ck_format, rows: Int, columns: Int, seed: UInt64,
    change: (inout [UInt8], inout [Float]) -> Void = { _, _ in }
  ) {
    var generator = SeededGenerator(seed)
    self.format = format
    self.rows = rows
    self.columns = columns
    elements = []
    for _ in 0..<rows { elements += Self.row(format, columns, &generator) }
    if format == CK_F8E4M3 {
      scales = generator.floats(rows * ((columns + 127) / 128), in: -0.02...0.02)
    } else if format == CK_MXFP4 {
      scales = (0..<rows * ((columns + 31) / 32)).map { _ in Float(118 + generator.next() % 12) }
    }
    change(&elements, &scales)
    panels = GuardedMemory(byteCount: ck_panel_bytes(format, columns) * ((rows + 15) / 16))
    fillPanels()
  }

  private static func row(_ format: ck_format, _ columns: Int, _ generator: inout SeededGenerator) -> [UInt8] {
    let bytes = { (bits: UInt32, count: Int) in (0..<count).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) } }
    switch format {
    case CK_F32:
      return generator.floats(columns).flatMap { bytes($0.bitPattern, 4) }
    case CK_BF16:
      return generator.floats(columns).flatMap { bytes($0.bitPattern >> 16, 2) }
    case CK_F16:  // below 2, subnormals among them
      return (0..<columns).flatMap { _ in bytes(UInt32(generator.next() & 0xBFFF), 2) }
    case CK_F8E4M3:
      return (0..<columns).map { _ in
        let byte = UInt8(truncatingIfNeeded: generator.next())
        return byte & 0x7F == 0x7F ? 0 : byte
      }
    default:
      return (0..<columns / 2).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }
  }

  private func fillPanels() {
    for panel in 0..<panelCount {
      let start = panels.start + panel * panelByteCount
      let first = panel * 16
      let count = min(16, rows - first)
      elements.withUnsafeBytes {
        ck_pack_rows(
          format, $0.baseAddress! + first * rowByteCount, rowByteCount, count, 0, columns, columns, start)
      }
      guard !scales.isEmpty else { continue }
      for lane in 0..<count {
        let own = scales[(first + lane) * scaleBlockCount..<(first + lane + 1) * scaleBlockCount]
        format.withScales(Array(own)) { ck_set_scales(format, start, columns, lane, $0, 1) }
      }
    }
  }

  /// The fp32 value of a weight, by definition.
  func value(row: Int, column: Int) -> Float {
    let start = row * rowByteCount
    let u16 = { UInt16(self.elements[start + 2 * column]) | UInt16(self.elements[start + 2 * column + 1]) << 8 }
    switch format {
    case CK_F32:
      return elements.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: start + 4 * column, as: Float.self) }
    case CK_BF16:
      return Float(bitPattern: UInt32(u16()) << 16)
    case CK_F16:
      return Float(ElementValues.f16(u16()))
    case CK_F8E4M3:
      let scale = scales[row * scaleBlockCount + column / 128]
      return Float(ElementValues.f8e4m3(elements[start + column])) * scale
    default:
      let pair = elements[start + column / 2]
      let scale = UInt8(scales[row * scaleBlockCount + column / 32])
      return Float(ElementValues.fp4(column % 2 == 1 ? pair >> 4 : pair) * ElementValues.e8m0(scale))
    }
  }

  /// y[m, n] for outputs [firstPanel * 16, + n), rows of y `yStride` apart in a buffer that held `canary` everywhere.
  func multiply(
    _ isa: ck_isa, x: UnsafePointer<Float>, xStride: Int, m: Int, n: Int, firstPanel: Int = 0, bias: [Float]? = nil,
    yStride: Int, canary: Float = 0
  ) -> [Float] {
    var y = [Float](repeating: canary, count: m * yStride)
    withMatmulScratch { scratch in
      bias.withOptionalPointer { bias in
        ck_matmul(
          isa, format, panels.start + firstPanel * panelByteCount, n, columns, x, xStride, m, bias, &y, yStride,
          scratch)
      }
    }
    return y
  }
}

extension [Float]? {
  func withOptionalPointer<Result>(_ body: (UnsafePointer<Float>?) -> Result) -> Result {
    guard let self else { return body(nil) }
    return self.withUnsafeBufferPointer { body($0.baseAddress) }
  }
}

/// Scratch of exactly the size the kernels name, before an inaccessible page.
func withMatmulScratch(_ body: (UnsafeMutableRawPointer) -> Void) {
  let memory = GuardedMemory(byteCount: ck_matmul_scratch_bytes())
  body(memory.start)
}

/// Whether two buffers hold the same bits.
func sameBits(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Bool {
  a.count == b.count
    && a.withUnsafeBytes { a in b.withUnsafeBytes { b in memcmp(a.baseAddress!, b.baseAddress!, a.count) == 0 } }
}
