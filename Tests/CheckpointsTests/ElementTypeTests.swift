import Checkpoints
import Tensors
import Testing

/// How many bytes a tensor of a type takes.
struct ElementTypeTests {
  @Test func rowsHaveWholeBlocks() {
    let cases: [([Int], ElementType, Int?)] = [
      ([3, 512], .q4K, 3 * 2 * 144), ([2, 3, 32], .q80, 2 * 3 * 34), ([5, 64], .nvfp4Blocks, 5 * 36),
      ([2, 128], .q4K, nil), ([256, 2], .q4K, nil), ([3, 48], .mxfp4Blocks, nil), ([], .q80, nil), ([0, 5], .q80, 0),
      ([7, 0], .q6K, 0), ([1 << 31, 1 << 31], .q80, nil), ([3], .float4, nil), ([3, 2], .float4, 3),
      ([4], .float6E2M3, 3), ([2], .float6E2M3, nil), ([3, 5], .bfloat16, 30), ([], .float32, 4),
    ]
    for (shape, type, byteCount) in cases {
      #expect(TensorEntry.byteCount(of: shape, type) == byteCount, "\(shape) \(type)")
    }
  }

  @Test(arguments: ElementType.allCases) func numbersAreCountedAsTheyAreStored(type: ElementType) {
    let (length, byteCount) = type.block
    #expect(type.isBlocked == (length >= 32) && byteCount > 0)
    let shape = [3, 2 * length]
    #expect(TensorEntry.byteCount(of: shape, type) == 3 * 2 * byteCount)
    let entry = TensorEntry(name: "w", type: type, shape: shape, fileIndex: 0, byteOffset: 0, byteCount: 6 * byteCount)
    #expect(entry.elementCount == 6 * length)
    // Rounded up where numbers share bytes.
    #expect(type.byteCount * length >= byteCount && (type.byteCount - 1) * length < byteCount)
    #expect(ElementType(safetensors: type.rawValue) == (type.isBlocked ? nil : type))
  }
}
