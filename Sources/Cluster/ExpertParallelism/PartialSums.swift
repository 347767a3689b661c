import Fabric
import Kernels
import MoEModel

/// The partial sums that ranks computed for one rank's tokens, where they lie: this rank's own one by one, others' row after row.
struct PartialSums {
  let own: Rank
  let ownRows: UnsafeBufferPointer<UnsafeMutablePointer<Float>>
  /// By rank.
  let returned: UnsafeBufferPointer<UnsafeMutablePointer<Float>?>
  let hiddenSize: Int

  private func row(_ place: SumTable.Place) -> UnsafeMutablePointer<Float> {
    Int(place.rank) == own.index
      ? ownRows[Int(place.index)] : returned[Int(place.rank)]! + Int(place.index) * hiddenSize
  }

  /// Adds up a total `[hidden]` along `CombineTree`, overwriting its parts; it is to be found at `output`, or where none is given at the
  /// place returned.
  func total(
    of parts: SumTable.Parts, _ compute: Compute, into output: UnsafeMutablePointer<Float>? = nil
  ) -> UnsafeMutablePointer<Float> {
    let first = row(parts.places[0])
    guard parts.count > 1 else {
      output?.update(from: first, count: hiddenSize)
      return output ?? first
    }
    let total = output ?? first
    guard parts.count > 2 else {
      compute.sum(first, row(parts.places[1]), into: total, count: hiddenSize)
      return total
    }
    var left = parts.count - 1
    // By its address: a variable that a closure changes would be put on the heap, for every token.
    withUnsafeMutablePointer(to: &left) { left in
      CombineTree.visit(parts.ids, count: parts.count) { target, source in
        left.pointee -= 1
        let sum = row(parts.places[target])
        // The last addition gives the total.
        compute.sum(sum, row(parts.places[source]), into: left.pointee == 0 ? total : sum, count: hiddenSize)
      }
    }
    return total
  }
}
