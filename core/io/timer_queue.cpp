#include "core/io/timer_queue.hpp"

namespace warren::io {

uint64_t timer_queue::handle_of(uint32_t index) const {
   return static_cast<uint64_t>(slots_[index].generation) << 32 | index;
}

bool timer_queue::find(uint64_t timer, uint32_t& index) const {
   index = static_cast<uint32_t>(timer);
   return index < slots_.size() && slots_[index].now != state::ended && handle_of(index) == timer;
}

bool timer_queue::before(uint32_t a, uint32_t b) const {
   const slot& x = slots_[a];
   const slot& y = slots_[b];
   return x.at != y.at ? x.at < y.at : x.order < y.order;
}

void timer_queue::place(uint32_t position, uint32_t index) {
   heap_[position] = index;
   slots_[index].position = position;
}

void timer_queue::sift_up(uint32_t position) {
   const uint32_t index = heap_[position];
   while (position != 0) {
      const uint32_t parent = (position - 1) / 2;
      if (!before(index, heap_[parent])) break;
      place(position, heap_[parent]);
      position = parent;
   }
   place(position, index);
}

void timer_queue::sift_down(uint32_t position) {
   const uint32_t index = heap_[position];
   for (;;) {
      uint32_t child = position * 2 + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && before(heap_[child + 1], heap_[child])) child++;
      if (!before(heap_[child], index)) break;
      place(position, heap_[child]);
      position = child;
   }
   place(position, index);
}

void timer_queue::remove(uint32_t position) {
   const uint32_t last = heap_.back();
   heap_.pop_back();
   if (position == heap_.size()) return;
   place(position, last);
   sift_up(position);
   sift_down(slots_[last].position);
}

void timer_queue::end(uint32_t index) {
   slot& s = slots_[index];
   s.now = state::ended;
   if (++s.generation == 0) s.generation = 1; // no handle is ever 0
   free_.push_back(index);
}

uint64_t timer_queue::set(uint64_t timer, uint64_t at, timer_sink& sink, uint64_t tag) {
   uint32_t index;
   if (!find(timer, index)) {
      if (free_.empty()) {
         index = static_cast<uint32_t>(slots_.size());
         slots_.emplace_back();
      } else {
         index = free_.back();
         free_.pop_back();
      }
   } else if (slots_[index].now == state::armed) {
      remove(slots_[index].position);
   }
   slot& s = slots_[index];
   s.at = at;
   s.order = ++order_;
   s.sink = &sink;
   s.tag = tag;
   s.now = state::armed;
   heap_.push_back(index);
   sift_up(static_cast<uint32_t>(heap_.size() - 1));
   return handle_of(index);
}

void timer_queue::cancel(uint64_t timer) {
   uint32_t index;
   if (!find(timer, index)) return;
   if (slots_[index].now == state::armed) remove(slots_[index].position);
   end(index);
}

uint32_t timer_queue::run(uint64_t now) {
   if (next() > now) return 0;
   due_.clear();
   while (next() <= now && !heap_.empty()) {
      const uint32_t index = heap_.front();
      remove(0);
      slots_[index].now = state::due;
      due_.push_back(handle_of(index));
   }
   uint32_t fired = 0;
   for (size_t i = 0; i < due_.size(); i++) {
      const uint64_t timer = due_[i];
      uint32_t index;
      if (!find(timer, index) || slots_[index].now != state::due) continue; // cancelled or moved
      slots_[index].now = state::firing;
      timer_sink* const sink = slots_[index].sink;
      sink->on_timer(timer, slots_[index].tag);
      fired++;
      if (find(timer, index) && slots_[index].now == state::firing) end(index);
   }
   return fired;
}

} // namespace warren::io
