import { expect } from 'chai';
import { Exclude, Expose, Transform, Type } from 'class-transformer';
import { Field, Service, Store, StoredIn, types } from 'keepsake';
import { openForModels, refuses } from '../support/models.js';

const service = new Service({ backend: openForModels() });

class Photo {
  taken = new Date(0);
  title = '';
  secret = 'hidden';
  size = 0;
  get label() {
    return `${this.title} (${this.size})`;
  }
}
// Called as functions, since class-transformer's decorators work in the legacy mode only.
Type(() => Date)(Photo.prototype, 'taken');
Exclude()(Photo.prototype, 'secret');
Expose({ name: 'caption' })(Photo.prototype, 'title');
Transform(({ value }) => `${value} px`, { toPlainOnly: true })(Photo.prototype, 'size');
Transform(({ value }) => Number.parseInt(value, 10), { toClassOnly: true })(Photo.prototype, 'size');

class Portrait extends Photo {
  of = '';
}

class Odd {
  made = Number.NaN;
}
Expose()(Odd.prototype, 'made');

@StoredIn(service)
class Album extends Store {
  @Field({ type: () => Photo }) cover?: Photo;
  @Field({ type: types.list(() => Portrait) }) portraits: Portrait[] = [];
  @Field({ type: () => Odd }) odd?: Odd;
}

describe('classes with the decorators of class-transformer', () => {
  it('go through class-transformer, so that @Type, @Expose, @Exclude and @Transform hold', async () => {
    const photo = Object.assign(new Photo(), { taken: new Date(5), title: 'Sea', size: 7 });
    const album = Album.create('x', { cover: photo });
    expect(album.toDict().cover).to.deep.equal({
      taken: { $date: '1970-01-01T00:00:00.005Z' },
      caption: 'Sea',
      size: '7 px',
    });
    await album.save();
    Album.manager.removeActive(album);
    const cover = (await Album.load('x'))?.cover;
    expect(cover).to.be.instanceOf(Photo);
    expect(cover?.label).to.equal('Sea (7)');
    expect(cover?.taken.getTime()).to.equal(5);
    expect(cover?.secret).to.equal('hidden');
  });

  it('are seen by what their bases carry, in lists too', () => {
    const portrait = Object.assign(new Portrait(), { of: 'Ann', title: 'Face' });
    const album = Album.create('y', { portraits: [portrait] });
    const [back] = album.fromDict(album.toDict()).portraits;
    expect(back).to.be.instanceOf(Portrait);
    expect(back?.of).to.equal('Ann');
    expect(back?.title).to.equal('Face');
  });

  it('must still give what can be saved', () => {
    const album = Album.create('z', { odd: new Odd() });
    return refuses(() => album.toDict(), 'EncodeError', /Album "z": odd\.made: NaN/);
  });
});
