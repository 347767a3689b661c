import Fabric
import Kernels
import MoEModel
import Tensors

/// Which partial outputs, of which ranks, each of some totals is added up from: written once for a layer, then read by
/// all workers.
final class PartialTable {
  /// The `index`-th row that `rank` returns.
  struct Place: BitwiseCopyable {
    var rank: Int32
    var index: Int32
  }

  /// The partial outputs of one total.
  struct Parts {
    /// Of each, any one of the expert ids it sums; ascending.
    let ids: UnsafePointer<Int32>
    let places: UnsafePointer<Place>
    let count: Int
  }

  private let ends = GrowingList<Int32>()
  private let ids = GrowingList<Int32>()
  private let places = GrowingList<Place>()
  private(set) var count = 0

  /// Writes a table in order.
  struct Writer {
    fileprivate let ends: UnsafeMutablePointer<Int32>
    fileprivate let ids: UnsafeMutablePointer<Int32>
    fileprivate let places: UnsafeMutablePointer<Place>
    fileprivate(set) var totals = 0
    fileprivate var parts = 0

    mutating func add(id: Int32, rank: Int32, index: Int32) {
      ids[parts] = id
      places[parts] = Place(rank: rank, index: index)
      parts += 1
    }

    /// What was added since the last call makes up the next total.
    mutating func endTotal() {
      ends[totals] = Int32(parts)
      totals += 1
    }
  }

  /// Starts anew, with room for so many totals, of so many partial outputs together.
  func begin(totals: Int, parts: Int) -> Writer {
    ends.removeAll()
    ids.removeAll()
    places.removeAll()
    count = 0
    return Writer(ends: ends.extend(by: totals), ids: ids.extend(by: parts), places: places.extend(by: parts))
  }

  func end(_ writer: Writer) { count = writer.totals }

  func parts(of total: Int) -> Parts {
    let first = total == 0 ? 0 : Int(ends.elements[total - 1])
    return Parts(ids: ids.elements + first, places: places.elements + first, count: Int(ends.elements[total]) - first)
  }
}

/// The partial outputs that ranks computed for one rank's tokens, where they lie: this rank's own one by one, others'
/// row after row.
struct PartialOutputs {
  let own: Rank
  let ownRows: UnsafeBufferPointer<UnsafeMutablePointer<Float>>
  /// By rank.
  let returned: UnsafeBufferPointer<UnsafeMutablePointer<Float>?>
  let width: Int

  private func row(_ place: PartialTable.Place) -> UnsafeMutablePointer<Float> {
    if Int(place.rank) == own.index { return ownRows[Int(place.index)] }
    guard let rows = returned[Int(place.rank)] else { preconditionFailure("partial outputs that have not come back") }
    return rows + Int(place.index) * width
  }

  /// Adds up a total `[width]` along `CombineTree`, overwriting its parts; it is to be found at `output`, or where none
  /// is given at the place returned.
  func total(
    of parts: PartialTable.Parts, _ compute: Compute, into output: UnsafeMutablePointer<Float>? = nil
  ) -> UnsafeMutablePointer<Float> {
    let first = row(parts.places[0])
    guard parts.count > 1 else {
      output?.update(from: first, count: width)
      return output ?? first
    }
    let total = output ?? first
    guard parts.count > 2 else {
      compute.sum(first, row(parts.places[1]), into: total, count: width)
      return total
    }
    var left = parts.count - 1
    // By its address: a variable that a closure changes would be put on the heap, for every token.
    withUnsafeMutablePointer(to: &left) { left in
      CombineTree.visit(parts.ids, count: parts.count) { target, source in
        left.pointee -= 1
        let sum = row(parts.places[target])
        // The last addition gives the total.
        compute.sum(sum, row(parts.places[source]), into: left.pointee == 0 ? total : sum, count: width)
      }
    }
    return total
  }
}
